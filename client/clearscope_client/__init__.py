"""Client of ClearScope, a service that takes the noise out of microscope images."""

from clearscope_client.arrays import ImageArray
from clearscope_client.awaiting import AsyncClearScope
from clearscope_client.blocking import ClearScope
from clearscope_client.connection import TimeLimits
from clearscope_client.denoising import Denoised, ResultFile
from clearscope_client.documents import (
    Artifact,
    ExpectedTime,
    Job,
    Microscope,
    NoiseModel,
    PixelSize,
    Preflight,
    Profile,
    Stage,
    Trust,
    UploadedImage,
)
from clearscope_client.errors import ClientError
from clearscope_client.progress import Progress
from clearscope_client.retrying import Conduct, Outage, Retries

__all__ = [
    "Artifact",
    "AsyncClearScope",
    "ClearScope",
    "ClientError",
    "Conduct",
    "Denoised",
    "ExpectedTime",
    "ImageArray",
    "Job",
    "Microscope",
    "NoiseModel",
    "Outage",
    "PixelSize",
    "Preflight",
    "Profile",
    "Progress",
    "ResultFile",
    "Retries",
    "Stage",
    "TimeLimits",
    "Trust",
    "UploadedImage",
]
