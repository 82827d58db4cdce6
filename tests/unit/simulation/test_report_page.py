"""The report's page is readable by everybody: headed tables, and both colour schemes."""

from simulation.report_page import PAGE, bars, table


def test_every_cell_has_a_head() -> None:
    assert table(("what", "count"), [("visits", 3)]).count('<th scope="col">') == 2
    assert '<th scope="row"' in bars([("overdue", 3)])


def test_colours_follow_the_readers_scheme() -> None:
    style = PAGE.template.partition("</style>")[0]
    light, _, dark = style.partition("@media(prefers-color-scheme:dark)")
    assert {name.partition(":")[0] for name in light.partition("}")[0].split("--")[1:]} == {
        name.partition(":")[0] for name in dark.partition("}")[0].split("--")[1:]
    }
    assert "background:#" not in dark
