"""A private PostgreSQL cluster: made by initdb below /tmp, on a free port of 127.0.0.1, and gone with the test."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path

import psycopg

USER, PASSWORD, DATABASE = "lab", "päss word's %41@:/", "counts"  # every character that an address would have to escape


def binaries() -> Path | None:
    """Return the directory of the newest PostgreSQL's programs, or None without one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return found[-1].parent if found else None


class Cluster:
    """A cluster with a database of a user who is no superuser and needs a password."""

    def __init__(self) -> None:
        directory = binaries()
        assert directory is not None
        self._bin = directory
        self.root = Path(tempfile.mkdtemp(prefix="trending-pg-"))
        self.data = self.root / "data"
        self._as: list[str] = []
        if os.geteuid() == 0:
            found = pwd.getpwnam("postgres")
            os.chown(self.root, found.pw_uid, found.pw_gid)
            self._as = ["setpriv", f"--reuid={found.pw_uid}", f"--regid={found.pw_gid}", "--clear-groups"]
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._run("initdb", "-D", self.data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust", "--no-sync")
        own = f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = ''\nfsync = off\n"
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(own)
        hba = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (self.data / "pg_hba.conf").write_text(hba, encoding="ascii")
        self.start()
        with self.admin() as admin:
            quoted = psycopg.sql.Literal(PASSWORD)
            admin.execute(psycopg.sql.SQL("CREATE ROLE lab LOGIN PASSWORD {}").format(quoted))
            admin.execute("CREATE DATABASE counts OWNER lab")

    @property
    def url(self) -> str:
        """The address of the database, without the password."""
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/{DATABASE}"

    def admin(self, database: str = "postgres") -> psycopg.Connection:
        """Return a superuser's connection, each statement of which commits."""
        return psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", dbname=database, autocommit=True)

    def require_staged(self, schema: str) -> None:
        """Require that tasks have staged rows since the last crash, which empties the statistics, and that none is left."""
        asked = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE schemaname = %s AND relname = 'staged'"
        with self.admin(DATABASE) as admin:
            inserted = admin.execute(asked, (schema,)).fetchone()
            left = admin.execute(f"SELECT count(*) FROM {schema}.staged".encode()).fetchone()  # noqa: S608 - our own name
        assert inserted is not None
        assert inserted[0] > 0
        assert left == (0,)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._run("pg_ctl", "-D", self.data, "-w", "-t", "30", "-l", self.root / "log", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; ``immediate`` is as good as a crash."""
        self._run("pg_ctl", "-D", self.data, "-w", "-t", "30", "-m", mode, "stop")

    def restart(self, away_seconds: float = 0.0, mode: str = "immediate") -> None:
        """Crash the server and start it again, which takes it through its recovery."""
        self.stop(mode)
        time.sleep(away_seconds)
        self.start()

    def close(self) -> None:
        """Stop the server and delete everything."""
        self._run("pg_ctl", "-D", self.data, "-w", "-t", "30", "-m", "immediate", "stop", check=False)
        shutil.rmtree(self.root)

    def _run(self, program: str, *arguments: str | Path, check: bool = True) -> None:
        command = [*self._as, str(self._bin / program), *map(str, arguments)]
        done = subprocess.run(
            command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
        )
        assert not check or done.returncode == 0, done.stderr.decode(errors="replace")
