"""What the server answers is what training says, whatever was committed and published before."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.contract.feature_group import Online
from headrace.contract.status import Status
from headrace.tests.laws.committing import trained
from headrace.tests.laws.oracle import comparable, known
from headrace.tests.laws.publishing import Stage, empty_stage
from headrace.tests.laws.schedules import schedules
from headrace.tests.laws.thoroughness import laws, thoroughness
from headrace.tests.laws.worlds import worlds

pytestmark = pytest.mark.server
SEMANTICS = pytest.mark.parametrize("online", list(Online))


def check_equal(stage: Stage, *, clocks: int) -> None:
    """Online equals offline, and both equal the oracle, at and around the edges of what is known.

    Args:
        stage: All of its commits are published.
        clocks: About how many edges are tried; the first and the last always are.
    """
    edges, entities = stage.clocks(), stage.entities
    tried = [*edges[:: max(1, len(edges) // clocks)], edges[-1]]
    asked = [(entity, now) for now in tried for entity in entities]
    expected = [known(stage.world, stage.history, entity, now) for entity, now in asked]
    stage.asking.refresh()
    served: list[tuple[object, ...]] = []
    statuses: list[tuple[Status, ...]] = []
    for now in tried:
        got = stage.look_up(now)
        served += [
            tuple(comparable(row[name]) for name in got.feature_names) for row in got.to_dicts()
        ]
        statuses += [tuple(Status(int(status)) for status in row) for row in got.statuses]

    offline = trained(stage.store, stage.world, asked)

    assert offline == [each.values for each in expected]
    assert served == offline
    assert statuses == [each.statuses for each in expected]


@thoroughness(quick=12, thorough=60)
@SEMANTICS
def test_answers_are_rows_of_commits_and_once_all_is_published_those_of_training(
    online: Online, examples: int, valkey_url: str
) -> None:
    @settings(laws, max_examples=examples)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        world = data.draw(worlds(online))
        schedule = data.draw(schedules(world))
        with empty_stage(world, valkey_url) as stage:
            for step in schedule:
                stage.perform(step)
                stage.check_answers()
                if stage.is_published():
                    check_equal(stage, clocks=6)
            for number in data.draw(st.permutations(list(stage.generations))):
                stage.publish(number)
            assert stage.is_published()
            check_equal(stage, clocks=25)

    holds()
