"""Models in the registry that a denoise job may reuse."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.spec_parts import entry_of_channel
from models_store.contracts.vocabulary import Method, NoiseModelKind, NoiseModelOrigin
from models_store.database.tables import Profile
from models_store.image_files.channels import channel_label, channel_title
from models_store.image_files.header import ImageHeader
from models_store.job_requests.choose_noise_model import choose_noise_model, profile_name
from models_store.job_requests.detector_levels import DetectorLevels
from models_store.job_requests.distillation_rule import why_nothing_is_distilled
from models_store.job_requests.noise_model_gate import fit_of_named, require_fit
from models_store.job_requests.registered_models import KnownModels
from models_store.repositories.networks import newest_network
from models_store.repositories.profiles import default_profile_of
from models_store.survey.survey import Survey


def known_models(
    session: Session,
    spec: DenoiseSpec,
    profile: Profile | None,
    survey: Survey | None,
    *,
    levels: Sequence[DetectorLevels] = (),
    of_channel: tuple[ImageHeader, int] | None = None,
) -> KnownModels:
    """Return the models of a profile; with a channel, given by header and index, those of the channel.

    `survey`, `levels`: those of the images or of their channel; None if there is no survey yet.
    """
    named = entry_of_channel(spec.noise_model, of_channel[1] if of_channel else None)
    named_fit = fit_of_named(session, named, survey, levels)
    require_fit(named_fit, force=spec.force)
    if profile is None:
        return KnownModels(profile=None, named_noise_model_fit=named_fit)
    correlation = survey.noise_correlation if survey else None
    label = channel_label(*of_channel) if of_channel else None
    name = profile_name(profile)
    choice = choose_noise_model(session, spec, profile, survey, label, levels)
    noise_model = choice.noise_model
    kind = spec.noise_model_kind
    full, distils = {spec.recipe}, why_nothing_is_distilled(spec, correlation) is None
    with_teachers = full | ({spec.recipe_of(teaches=True)} if distils else set())
    n2v = newest_network(session, profile.id, Method.N2V, with_teachers, channel=label)
    distilled = newest_network(
        session, profile.id, Method.DISTILLED, full, noise_model_kind=kind, channel=label
    )
    # A teacher took fewer steps, and is good enough only beside the network that learned from it.
    recipes = with_teachers if distilled else full
    pn2v = newest_network(session, profile.id, Method.PN2V, recipes, noise_model_kind=kind, channel=label)
    imported = _imported_network_id(session, profile, label, Method.PRETRAINED)
    adapted = newest_network(
        session,
        profile.id,
        Method.DISTILLED,
        {spec.recipe_adapting(imported)},
        noise_model_kind=kind,
        channel=label,
    )
    return KnownModels(
        profile=f"{name}, {channel_title(*of_channel)}" if of_channel else name,
        noise_model_id=noise_model.id if noise_model else None,
        noise_model_profile=profile_name(choice.profile),
        noise_model_kind=NoiseModelKind(noise_model.kind) if noise_model else None,
        noise_model_fit=choice.fit,
        noise_model_warning=choice.warning,
        passed_over=choice.passed_over,
        named_noise_model_fit=named_fit,
        noise_model_origin=noise_model.origin if noise_model else NoiseModelOrigin.BOOTSTRAP,
        n2v_network_id=n2v.id if n2v else None,
        pn2v_network_id=pn2v.id if pn2v else None,
        pn2v_noise_model_id=pn2v.noise_model_id if pn2v else None,
        distilled_network_id=distilled.id if distilled else None,
        adapted_network_id=adapted.id if adapted else None,
        pretrained_network_id=imported,
        pretrained_stack_network_id=_imported_network_id(session, profile, label, Method.PRETRAINED_STACK),
    )


def _imported_network_id(
    session: Session, profile: Profile, channel: str | None, method: Method
) -> str | None:
    """Return the newest network imported for a channel, else for the profile, else for the microscope.

    The noise of images is told to these networks, so that one may serve all profiles of a microscope.
    """
    of_microscope = default_profile_of(session, profile.microscope)
    for owner in dict.fromkeys(filter(None, (profile, of_microscope))):
        for label in dict.fromkeys((channel, None)):
            found = newest_network(session, owner.id, method, channel=label)
            if found is not None:
                return found.id
    return None
