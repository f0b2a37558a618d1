"""The deployment that Temporal knows our workers by, where they are versioned."""

from __future__ import annotations

from typing import Final

from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import WorkerDeploymentConfig

from runtime.settings import Settings

DEPLOYMENT: Final = "stockbridge"


def deployment_of(settings: Settings) -> WorkerDeploymentConfig | None:
    """Say which build a worker is of; None where it is unversioned.

    One deployment for all queues, so that a build's steps outside run on that build's workers, too. Every workflow goes
    on under the build that is current (decision 0019). That is said here, and not where a workflow is defined: what is
    said there, Temporal refuses of workers that are unversioned.
    """
    if settings.worker_build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=DEPLOYMENT, build_id=settings.worker_build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )
