"""Bring up Prefect itself: server, work pool, worker, deployments, automations. Not a flow, because nothing could run it yet."""

from __future__ import annotations

import shlex

from flows.commands.deployment import (
    ALERT,
    apply_automations,
    create_pool,
    deploy,
    paused_parts,
    wait_for_schedule,
    wait_for_worker,
)
from flows.runs.server import run_on
from flows.runs.users_server import users_server_answers
from infra.console.reporting import write_line
from infra.forms.showing import ServeForm
from infra.forms.terminal import run_command
from infra.host.clock import SystemClock
from infra.prefect_services.credentials import PrefectServer, client_environment, password_file
from infra.prefect_services.server import ensure_server, stop_other_version
from infra.prefect_services.supervision import note_serving
from infra.prefect_services.versions import other_version
from infra.prefect_services.worker import ensure_worker


def main(settings: ServeForm) -> None:
    """Bring up what is missing, deploy, print where the UI is. On the user's own server only a worker is started."""
    stop_other_version()
    server = ensure_server(users=users_server_answers)
    write_line(f"[ok] Prefect server {server.url}" + (" (started)" if server.started else ""))
    if other := other_version():
        write_line(f"[!!] server and worker are of another Prefect ({other}): make serve-stop, then make serve")
    note_serving()  # before the deployments are made, so that a command that ends meanwhile does not stop the server
    run_on(server, lambda: serve(server, settings))
    write_line(f"\nUI: {server.url.removesuffix('/api')}/deployments")
    credentials = ""
    if server.password is not None:
        write_line(f"it asks for a password: make serve-password shows it; it is in {password_file()}")
        credentials = f'PREFECT_API_AUTH_STRING="$(cat {shlex.quote(str(password_file()))})" '
    write_line("make serve-stop ends the server and the worker; stacks go on running")
    write_line("start the stack in the UI, or from a shell:")
    write_line(f"{credentials}PREFECT_API_URL={server.url} .venv/bin/prefect deployment run 'start-up/local' --watch")


def serve(server: PrefectServer, settings: ServeForm) -> None:
    """Put pool, deployments and automations on the server, then start the worker and wait for it."""
    created = create_pool()
    write_line(f"[ok] work pool {'created' if created else 'is there'}")
    for part in paused_parts():
        write_line(f"[!!] {part}; until then every run waits")
    lines = deploy(client_environment(server))
    write_line(f"[ok] {len(lines)} deployments")
    applied = apply_automations(settings.alert_url)
    write_line(f"[ok] automations {', '.join(applied)}")
    if ALERT not in applied:
        write_line("[--] nobody is alerted by message: give an address with ALERT_URL=https://…")
    started = ensure_worker(server)
    wait_for_worker(SystemClock())
    write_line(f"[ok] worker {'started' if started else 'is there'}")
    write_line(f"[ok] the next scheduled health check is at {wait_for_schedule(SystemClock()).astimezone():%H:%M:%S}")


if __name__ == "__main__":
    run_command(ServeForm, main, ".venv/bin/python -m flows.commands.serve")
