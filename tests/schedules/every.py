"""All schedules, in the order of their files."""

from typing import Final

from tests.schedules import carrying, holes, meeting, turning
from tests.schedules.schedule import Schedule

SCHEDULES: Final[tuple[Schedule, ...]] = tuple(
    schedule for module in (meeting, holes, turning, carrying) for schedule in module.SCHEDULES.all
)
