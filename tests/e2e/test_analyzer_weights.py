"""For which weights an analyzer works that was told of none."""

from pathlib import Path

from mien.contract.analyses import AnalysisSettings
from mien.transport.redis import RedisTransport
from model.weights_file import read_info, shipped_weights
from tests.analyses import image
from tests.deployment import analyzer
from tests.servers import Server


def test_it_serves_all_that_come_with_mien_and_tells_of_others(
    server: Server, tmp_path: Path
) -> None:
    assert set(shipped_weights()) >= {"vgg19", "small"}
    known = [read_info(name).sha256 for name in shipped_weights()]
    transport = RedisTransport(server.url)
    with analyzer(server, tmp_path / "log", "--device", "cpu") as worker:
        for sha256 in known:
            settings = AnalysisSettings("haar", 24.0, 0.9, "single", sha256)
            stream = transport.stream(sha256[:8], settings)
            stream.offer(image(sha256[:8], 0, settings, (96, 96)))
            assert [record.index for record in stream.read(0, 60)] == [0]
            stream.close()
        foreign = AnalysisSettings("haar", 24.0, 0.9, "single", "f" * 64)
        transport.stream("foreign", foreign).offer(image("foreign", 0, foreign, (96, 96)))
        worker.await_line(f"asks for weights that are not here ({'f' * 12})")
    transport.close()
