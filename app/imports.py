"""Import of pretrained networks: check the file, store it, register it for a microscope."""

from dataclasses import dataclass

from app.documents.networks import NetworkDocument
from app.http.authorization import Caller
from app.http.dependencies import Services
from app.http.profile_parameters import named_profile
from models_store.blobs.blobs import StoredBlob
from models_store.clock_and_ids import new_id
from models_store.contracts.outcomes import MadeBlob, MadeNetwork
from models_store.contracts.vocabulary import Preset
from models_store.errors import UnavailableError
from models_store.network_files.pretrained import PretrainedFile, read_pretrained
from models_store.repositories.networks import create_network
from models_store.repositories.usage import require_room_left


@dataclass(frozen=True)
class ImportTarget:
    """What a network is imported for, and by whom."""

    microscope: str | None
    profile: str | None
    channel: str | None
    caller: Caller


def import_pretrained(services: Services, content: bytes, target: ImportTarget) -> NetworkDocument:
    """Store and register the network; raise NetworkFileInvalidError for a file that holds none."""
    file = read_pretrained(content)
    blob = services.blobs.put(f"networks/{new_id('import')}", content)
    try:
        return _register(services, file, blob, target)
    except UnavailableError:
        # The row may exist although the response was lost; if not, the sweeper deletes the blob.
        raise
    except BaseException:
        services.blobs.discard([blob.key])
        raise


def _register(
    services: Services, file: PretrainedFile, blob: StoredBlob, target: ImportTarget
) -> NetworkDocument:
    description = file.description.model_dump(mode="json") | {"digest": file.digest}
    made = MadeNetwork(
        method=file.method,
        preset=Preset.INSTANT,
        recipe=f"{Preset.INSTANT}@{file.digest}",
        blob=MadeBlob(key=blob.key, sha256=blob.sha256, size_bytes=blob.size_bytes),
        description=description,
    )
    now = services.clock()
    with services.database.write() as session:
        owner = named_profile(session, target.microscope, target.profile, now)
        row = create_network(
            session,
            made,
            profile_id=owner.id if owner else None,
            channel=target.channel,
            noise_model_id=None,
            made_by=None,
            now=now,
        )
        if target.caller.quota:
            require_room_left(session, target.caller.quota)
        return NetworkDocument.of(row)
