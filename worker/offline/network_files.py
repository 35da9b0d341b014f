"""Network files: their content, or an error that names the file."""

from pathlib import Path

from models_store.errors import InvalidRequestError
from worker.engine.errors import EngineError
from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import PretrainedNetwork, is_pretrained
from worker.offline.files import read_content


def read_network(path: Path) -> Network:
    """Read a network that a method has trained. Raises InvalidRequestError for any other file."""
    network = read_any_network(path)
    if isinstance(network, PretrainedNetwork):
        raise InvalidRequestError(
            f"{path} is a pretrained network; adapt it with clearscope denoise --pretrained {path}"
        )
    return network


def read_any_network(path: Path) -> Network | PretrainedNetwork:
    """Read a network, also a pretrained one. Raises InvalidRequestError for any other file."""
    content = read_content(path, "network")
    try:
        return (
            PretrainedNetwork.from_bytes(content) if is_pretrained(content) else Network.from_bytes(content)
        )
    except EngineError as error:
        raise InvalidRequestError(f"{path} is not a network: {error.detail}") from error
