"""Find out in this process which steps have nothing to do. The deployment starts no jobs for them."""

from collections.abc import Callable

from runbook_lib.network.failures import as_runbook_error
from vibedata.deployment.plan.difference import StepPlan
from vibedata.deployment.plan.facts import PlanFacts
from vibedata.deployment.work import DeploymentWork


class LookFromHere:
    """Looks at one step after the other with the operator's login, as `vibedata deploy --plan` does.

    It looks until the deployment has changed something. The jobs find out what follows from the change. It also stops
    looking after a service that cannot be read from here, such as a private endpoint, because each look would wait for
    it again.
    """

    def __init__(self, work: DeploymentWork) -> None:
        self._work = work
        self._facts = PlanFacts(work)
        self._can_see = True

    @property
    def looks(self) -> bool:
        """Whether it still looks."""
        return self._can_see and not self._work.deployment.changed

    def idle(self, plan: Callable[[PlanFacts], StepPlan]) -> StepPlan | None:
        """Return a step's plan if it shows that there is nothing to do, and None otherwise."""
        if not self.looks:
            return None
        try:
            found = plan(self._facts)
        except Exception as error:
            named = as_runbook_error(error)
            if named is None:
                raise
            self._can_see = False
            return None
        return found if found.idle else None
