"""How Azure Monitor starts: the tables of the workspace, which ingestion fills and queries read."""

from lab import snapshots
from lab.front.answers import MONITOR_ERRORS
from lab.front.sites import Site
from lab.monitor import alerts_provider, front, log_table_provider, provider
from lab.monitor.tables import LogTables
from lab.service import Fronts, Service
from lab.shared import Lab
from lab.subscriptions import Subscriptions

INGESTION, QUERY = "logs", "logs_query"
SITES = {INGESTION: Site(errors=MONITOR_ERRORS), QUERY: Site(errors=MONITOR_ERRORS)}


def _start(lab: Lab, subscriptions: Subscriptions) -> Fronts:
    tables = LogTables()

    async def clear() -> None:
        tables.clear()

    lab.on_reset.append(clear)
    lab.on_keep.append(snapshots.of_attributes(tables, "rows"))
    # The query API accepts tokens for its own address, too.
    lab.audiences.update((*front.INGESTION_AUDIENCES, *front.QUERY_AUDIENCES, lab.urls[QUERY]))
    lab.environment.update(
        {
            "VIBEDATA_LOGS_ENDPOINT": lab.urls[INGESTION],
            "VIBEDATA_LOGS_QUERY_ENDPOINT": lab.urls[QUERY],
            "VIBEDATA_DCR_ID": lab.names.dcr_immutable_id,
        }
    )
    provider.register(subscriptions.customer)
    log_table_provider.register(subscriptions.customer)
    alerts_provider.register(subscriptions.customer)
    subscriptions.show(
        {
            provider.TYPE: provider.API_VERSIONS,
            provider.WORKSPACE_TYPE: provider.WORKSPACE_API_VERSIONS,
            **alerts_provider.API_VERSIONS,
        }
    )
    return {INGESTION: front.routes(lab, tables), QUERY: front.query_routes(lab, tables)}


SERVICE = Service(sites=SITES, start=_start)
