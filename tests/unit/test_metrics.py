"""The table of metrics keeps Prometheus's rules."""

import os
import re

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families as parse
from prometheus_client.registry import Collector

from mien import metrics
from mien.contract.histogram import HistogramCounts
from mien.metrics import METRICS, Metric
from producer.live_session import CAUSES, CUT_OFF


class One(Collector):
    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> list[Family]:
        return [self._family]


def shown(family: Family) -> str:
    registry = CollectorRegistry()
    registry.register(One(family))
    return generate_latest(registry).decode()


def test_every_metric_stands_in_the_table_once() -> None:
    declared = [value for value in vars(metrics).values() if isinstance(value, Metric)]
    assert len(declared) == len(METRICS)
    assert {id(one) for one in declared} == {id(one) for one in METRICS}
    names = [name for metric in METRICS for name in metric.series]
    assert len(set(names)) == len(names)


def test_names_follow_prometheus() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"mien_[a-z]+(_[a-z]+)*", metric.name), metric.name
        assert not metric.name.endswith("_total")
        assert metric.help.endswith("."), metric.name
        assert bool(metric.bounds) == (metric.kind == "histogram")
        assert list(metric.bounds) == sorted(set(metric.bounds))


def test_a_histogram_is_shown_added_up() -> None:
    counts = HistogramCounts((1, 2, *[0] * 13, 4), 60.5)
    text = shown(metrics.STAGE_SECONDS.histogram([(("encode",), counts)]))
    assert 'mien_stage_seconds_bucket{le="0.0005",stage="encode"} 1.0' in text
    assert 'mien_stage_seconds_bucket{le="0.001",stage="encode"} 3.0' in text
    assert 'mien_stage_seconds_bucket{le="30.0",stage="encode"} 3.0' in text
    assert 'mien_stage_seconds_bucket{le="+Inf",stage="encode"} 7.0' in text
    assert 'mien_stage_seconds_sum{stage="encode"} 60.5' in text
    assert 'mien_stage_seconds_count{stage="encode"} 7.0' in text


def test_names_in_the_table_are_those_that_are_scraped() -> None:
    counter = shown(metrics.FACES.of([(("happy",), 3)]))
    assert "mien_faces_total" in metrics.FACES.series
    assert 'mien_faces_total{expression="happy"} 3.0' in counter
    (family,) = parse(shown(metrics.STREAM_UP.of([(("a",), True)])))
    assert [(one.name, one.value) for one in family.samples] == [("mien_stream_up", 1.0)]


def test_a_label_that_is_no_proper_text_is_shown_as_text() -> None:
    labels = ("a", os.fsdecode(b"in/bad\xff.mp4"), "file")
    assert r'source="in/bad\\udcff.mp4"' in shown(metrics.STREAM_INFO.of([(labels, 1)]))


def test_series_that_have_not_begun_are_zeros() -> None:
    values = metrics.with_zeros([(("late",), 2)], [("late",), ("busy",)])
    assert dict(values) == {("late",): 2, ("busy",): 0}


def test_the_reasons_of_reconnects_are_known_beforehand() -> None:
    assert {(reason,) for reason in [*CAUSES.values(), CUT_OFF]} == set(metrics.KNOWN_RECONNECTS)
