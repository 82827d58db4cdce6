"""Every kind of bad row is refused by the field that spoils it, in every form; its neighbours are understood."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.tapes.contract import read_contract
from services.intake.tapes.sheets import read_sheets
from services.intake.tapes.survey import survey
from services.intake.tapes.understanding import understand
from tests.unit.intake.tapes.tapes import DAY, FORMS, contract, contract_text, row, write

BAD = {
    "negative": ({"balance": "-5.00"}, ("balance", "negative_amount")),
    "absurd": ({"balance": "200000000.00"}, ("balance", "absurd_amount")),
    "endless": ({"balance": "99999999999999"}, ("balance", "absurd_amount")),
    "inexact": ({"balance": "10.005"}, ("balance", "inexact_amount")),
    "inexact without decimals": ({"ccy": "JPY", "balance": "10.5", "principal": "5"}, ("balance", "inexact_amount")),
    "no amount": ({"balance": "ten"}, ("balance", "not_an_amount")),
    "exponent": ({"balance": "1e3"}, ("balance", "not_an_amount")),
    "missing balance": ({"balance": ""}, ("balance", "missing")),
    "unknown currency": ({"ccy": "XXX"}, ("currency", "unknown_currency")),
    "unknown product": ({"product": "Q"}, ("product_class", "unknown_code")),
    "future due date": ({"due": "2026-03-11"}, ("due_item.0.due_date", "future_date")),
    "no date": ({"due": "2026-02-30"}, ("due_item.0.due_date", "not_a_date")),
    "other form of date": ({"due": "01.03.2026"}, ("due_item.0.due_date", "not_a_date")),
    "owed since never": ({"due": ""}, ("due_item.0.due_date", "missing")),
    "owed since antiquity": ({"due": "1901-01-01"}, ("due_item.0.due_date", "absurd_date")),
    "originated tomorrow": ({"originated": "2027-01-01"}, ("originated_on", "future_date")),
    "no loan": ({"loan": ""}, ("loan_ref", "missing")),
    "a loan with spaces": ({"loan": "L 1"}, ("loan_ref", "not_a_reference")),
    "no party": ({"party": ""}, ("party_ref", "missing")),
    "no place": ({"place": "China"}, ("jurisdiction", "not_a_place")),
    "no creditor": ({"creditor": ""}, ("creditor", "missing")),
}


def _sheet(path, agreed, day=DAY):
    (sheet,) = read_sheets(path, agreed)
    return understand(sheet, agreed, day)


@pytest.mark.parametrize("form", FORMS)
def test_every_kind_of_bad_row_names_its_field(tmp_path, form):
    rows, expected = [], []
    for number, (changes, refusal) in enumerate(BAD.values()):
        rows += [row(2 * number, late=50) | changes, row(2 * number + 1, late=50)]
        expected += [refusal, None]
    agreed = contract(form)
    found = {}
    for sheet in read_sheets(write(tmp_path, f"bad.{form}", form, rows), agreed):
        understood = understand(sheet, agreed, DAY)
        found |= {int(sheet.numbers[place]): (why.field, why.reason) for place, why in understood.refused.items()}
    assert [found.get(number) for number in range(1, len(rows) + 1)] == expected


@pytest.mark.parametrize(
    ("bytes_", "refusal"),
    [
        (b"\xff\xfe", ("creditor", "wrong_encoding")),
        (b"Ba\x00nk", ("creditor", "nul_byte")),
    ],
)
@pytest.mark.parametrize("form", ["csv", "fixed"])
def test_bytes_that_are_no_text(tmp_path, form, bytes_, refusal):
    rows = [row(1, late=5, creditor="#" * len(bytes_)), row(2, late=5)]
    path = write(tmp_path, f"bytes.{form}", form, rows)
    path.write_bytes(path.read_bytes().replace(b"#" * len(bytes_), bytes_))
    understood = _sheet(path, contract(form))
    assert {place: (why.field, why.reason) for place, why in understood.refused.items()} == {0: refusal}


def test_nul_in_a_reference_and_in_an_amount(tmp_path):
    path = write(tmp_path, "nul.csv", "csv", [row(1, loan="L#1"), row(2, balance="1#0")])
    path.write_bytes(path.read_bytes().replace(b"#", b"\x00"))
    refused = _sheet(path, contract()).refused
    assert [(one.field, one.reason) for one in refused.values()] == [("loan_ref", "nul_byte"), ("balance", "nul_byte")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [("L-9,P-9", "wrong_columns"), ('"L-9,P-9,' + "," * 12, "wrong_columns")],
)
def test_a_line_that_cannot_be_taken_apart_spoils_no_other(tmp_path, line, reason):
    path = write(tmp_path, "lines.csv", "csv", [row(1, late=5), row(2, late=5), row(3, late=6)])
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], line, *lines[2:]]) + "\n")
    understood = _sheet(path, contract())
    assert {place: (why.field, why.reason) for place, why in understood.refused.items()} == {1: ("row", reason)}
    assert [understood.overdue_minor[place] for place in (0, 2, 3)] == [500, 500, 600]
    assert understood.sheet.originals([1]) == [line.encode()]


def test_a_record_of_another_length_spoils_no_other(tmp_path):
    path = write(tmp_path, "lines.txt", "fixed", [row(1, late=5), row(2, late=5), row(3, late=6)])
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], lines[1][:-3], *lines[2:]]))
    understood = _sheet(path, contract("fixed"))
    assert {place: (why.field, why.reason) for place, why in understood.refused.items()} == {1: ("row", "wrong_length")}
    assert [understood.overdue_minor[place] for place in (0, 2)] == [500, 600]


@pytest.mark.parametrize("form", ["csv", "fixed"])
def test_gb18030(tmp_path, form):
    path = write(tmp_path, f"gb.{form}", form, [row(1, late=5), row(2, late=7)], encoding="gb18030")
    understood = _sheet(path, contract(form, encoding="gb18030"))
    assert understood.refused == {}
    assert [understood.text("creditor", place) for place in (0, 1)] == ["银行", "银行"]


@pytest.mark.parametrize("form", ["csv", "fixed"])
def test_gb18030_read_as_utf8_is_refused_by_row(tmp_path, form):
    path = write(tmp_path, f"gb.{form}", form, [row(1, late=5), row(2, late=7, creditor="Bank")], encoding="gb18030")
    understood = _sheet(path, contract(form))
    assert [(place, why.reason) for place, why in understood.refused.items()] == [(0, "wrong_encoding")]


def test_currencies_with_no_and_three_decimals(tmp_path):
    rows = [row(1, ccy="JPY", balance="1500", late=0), row(2, ccy="KWD", balance="1.234"), row(3, balance="1.2")]
    understood = _sheet(write(tmp_path, "c.csv", "csv", rows), contract())
    assert understood.refused == {}
    assert list(understood.minor["balance"]) == [1500, 1234, 120]


@pytest.mark.parametrize(
    ("amounts", "text", "minor"),
    [
        ('decimal = ","\ngroup = "."', "1.234,50", 123_450),
        ('group = ","', "1,234.5", 123_450),
        ('group = "\'"', "1'234.50", 123_450),
        ('unit = "minor"', "123450", 123_450),
        ('unit = "implied"\nimplied_decimals = 3', "1234500", 123_450),
    ],
)
def test_forms_of_amounts(tmp_path, amounts, text, minor):
    zeros = {"principal": "0", "interest": "0", "paid": "0"}
    content = contract_text().replace(b"[amounts]", f"[amounts]\n{amounts}".encode())
    agreed = read_contract(content)
    understood = _sheet(write(tmp_path, "a.csv", "csv", [row(1, balance=text, **zeros)]), agreed)
    assert understood.refused == {}
    assert list(understood.minor["balance"]) == [minor]


@given(st.integers(0, 10**10), st.sampled_from(FORMS))
@settings(max_examples=40, deadline=None)
def test_amounts_are_exact(tmp_path_factory, minor, form):
    text = f"{minor // 100}.{minor % 100:02}"
    path = write(tmp_path_factory.mktemp("exact"), "t", form, [row(1, balance=text)])
    understood = _sheet(path, contract(form))
    expected = [minor] if minor <= 100_000_000_00 else [0]
    assert list(understood.minor["balance"]) == expected
    assert bool(understood.refused) == (minor > 100_000_000_00)


def test_small_blocks_read_the_same(tmp_path, monkeypatch):
    rows = [row(number, late=number % 3) for number in range(50)]
    path = write(tmp_path, "t.csv", "csv", rows)
    whole = survey(path, contract(), DAY)
    monkeypatch.setattr("services.intake.tapes.lines.blocks.__kwdefaults__", {"size": 97})
    assert len(list(read_sheets(path, contract()))) > 20
    again = survey(path, contract(), DAY)
    assert (again.rows, again.sums, again.overdue_rows) == (whole.rows, whole.sums, whole.overdue_rows)


def test_repeated_loans_are_found(tmp_path):
    rows = [row(1, late=5), row(2), row(1, late=6)]
    found = survey(write(tmp_path, "t.csv", "csv", rows), contract(), DAY)
    assert (len(found.loans), len(found.repeated)) == (3, 1)


def test_sums_count_refused_amounts_as_they_are_written(tmp_path):
    rows = [row(1, balance="-5.00"), row(2, balance="10.005"), row(3, balance="x"), row(4, balance="1.00")]
    found = survey(write(tmp_path, "t.csv", "csv", rows), contract(), DAY)
    assert (str(found.sums["CNY"][0]), found.uncounted_rows, found.refused_rows) == ("6.005", 1, 3)
