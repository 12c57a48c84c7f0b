"""Tables of interactions in all their forms, and what is reported of them."""

import gzip
import random
import warnings

import numpy as np
import pandas as pd
import pytest

from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.interactions.data import tables
from vicinal.interactions.data.read import read_interactions
from vicinal.interactions.settings import InteractionColumns

LONG = """drug_1,drug_2,drug_3,effect
warfarin,aspirin,,bleeding
aspirin,ibuprofen,,ulcer
warfarin,,,bruise
ibuprofen,warfarin,aspirin,bleeding
warfarin,aspirin,,nausea
"""


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a table and returns its path."""

    def write(text: str, name: str = "interactions.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def facts(table) -> set[tuple[str, ...]]:
    """Return the drugs and the effect of everything that a table holds."""
    drugs, effects = table.drugs, table.effects
    found = {
        (*drugs[pair], effects[effect])
        for pair, effect in zip(table.pairs, table.pair_effects, strict=True)
    }
    found |= {(drugs[d], table.single_effects[s]) for d, s in table.singles}
    for rows, own in zip(table.sets, table.set_effects, strict=True):
        found |= {(*drugs[[*rows]], effects[effect]) for effect in own}
    return found


LONG_FACTS = {
    ("aspirin", "warfarin", "bleeding"),
    ("aspirin", "warfarin", "nausea"),
    ("aspirin", "ibuprofen", "ulcer"),
    ("warfarin", "bruise"),
    ("aspirin", "ibuprofen", "warfarin", "bleeding"),
}


def reasons(table) -> dict[str, str]:
    return {row.name: row.reason for row in table.quarantined}


def has_note(table, *words: str) -> bool:
    return any(all(word in note for word in words) for note in table.notes)


# --- forms ---------------------------------------------------------------------------


def test_long_form_has_pairs_sets_and_single_drugs(write):
    table = read_interactions(write(LONG))
    assert facts(table) == LONG_FACTS
    assert table.drugs.tolist() == ["aspirin", "ibuprofen", "warfarin"]
    assert table.effects.tolist() == ["bleeding", "nausea", "ulcer"]
    assert table.single_effects.tolist() == ["bruise"]
    assert table.pairs.tolist() == [[0, 1], [0, 2], [0, 2]]
    assert table.pair_effects.tolist() == [2, 0, 1]
    assert (table.num_rows, table.num_pairs, table.quarantined) == (5, 2, [])
    assert table.pairs.dtype == table.singles.dtype == np.int32


def test_set_form_is_the_same(write):
    table = read_interactions(
        write(
            "drugs,effects\nwarfarin|aspirin,bleeding|nausea\n"
            "aspirin; ibuprofen,ulcer\nwarfarin,bruise\n"
            "ibuprofen|warfarin|aspirin,bleeding\n"
        )
    )
    assert facts(table) == LONG_FACTS


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators(write, separator):
    path = write("\ufeff" + LONG.replace(",", separator), "interactions.txt")
    assert facts(read_interactions(path)) == LONG_FACTS


def test_gzip(tmp_path):
    path = tmp_path / "interactions.csv.gz"
    path.write_bytes(gzip.compress(LONG.encode()))
    assert facts(read_interactions(path)) == LONG_FACTS


def test_dataframes_may_have_lists_and_numbers(write):
    assert facts(read_interactions(pd.read_csv(write(LONG)))) == LONG_FACTS
    frame = pd.DataFrame(
        {"drugs": [["a", "b"], ["c", "b", "a"]], "effects": [["x", "y"], ["x"]]}
    )
    expected = {("a", "b", "x"), ("a", "b", "y"), ("a", "b", "c", "x")}
    assert facts(read_interactions(frame)) == expected
    frame = pd.DataFrame({"drug1": [1, 2], "drug2": [3.0, None], "y": [7, 8]})
    assert facts(read_interactions(frame)) == {("1", "3", "7"), ("2", "8")}


def test_blocks_are_put_together(write, monkeypatch):
    monkeypatch.setattr(tables, "ROWS_PER_BLOCK", 2)
    assert facts(read_interactions(write(LONG))) == LONG_FACTS


def test_several_effects_in_a_cell_but_one_drug(write):
    table = read_interactions(write("drug_1,drug_2,effect\na|b,c;d,x | y|x\n"))
    assert facts(table) == {("a|b", "c;d", "x"), ("a|b", "c;d", "y")}
    assert has_note(table, "1 repeated row")


def test_facts_agree_with_a_set_of_python(write):
    rng = random.Random(0)
    rows = [rng.choices("abcdef", k=3) + rng.choices("xyz", k=1) for _ in range(400)]
    text = "drug_1,drug_2,drug_3,effect\n"
    text += "".join(
        ",".join(["" if k == "f" else k for k in row]) + "\n" for row in rows
    )
    expected, unusable = set(), 0
    for *drugs, effect in rows:
        given = [k for k in drugs if k != "f"]
        gap = drugs[: len(given)] != given
        if not given or gap or len({*given}) < len(given):
            unusable += 1
        else:
            expected.add((*sorted(given), effect))
    table = read_interactions(write(text), ordered="no")
    assert facts(table) == expected
    assert len(table.quarantined) == unusable


# --- columns -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        *("drug1,drug2,side effect name", "Drug_A,Drug_B,Event", "drug a,drug b,type"),
        *("Drug1_ID,Drug2_ID,Y", "STITCH 1,STITCH 2,Polypharmacy Side Effect"),
        *("compound_1,compound_2,reaction", "medication1,medication2,adverse_event"),
        *("head,tail,relation", "source,target,interaction", "node1,node2,label"),
        *(
            "X1,X2,interaction_type",
            "drug_1_concept_name,drug_2_concept_name,condition",
        ),
        *("DDInterID_A,DDInterID_B,Level", "drugbank_id_1,drugbank_id_2,effects"),
    ],
)
def test_usual_names_of_columns(write, header):
    table = read_interactions(write(f"{header}\nb,a,x\n"))
    assert facts(table) == {("a", "b", "x")}
    assert len(table.notes) == 1, "only one on the order"


def test_names_of_effects_and_identifiers_of_drugs_are_preferred(write):
    table = read_interactions(
        write(
            "Drug1,Drug1_ID,Drug2,Drug2_ID,"
            "Polypharmacy Side Effect,Side Effect Name,n\n"
            "Aspirin,D1,Warfarin,D2,C01,bleeding,5\n"
        )
    )
    assert facts(table) == {("D1", "D2", "bleeding")}
    assert has_note(table, "'Side Effect Name', not from 'Polypharmacy Side Effect'")
    assert has_note(table, "'Drug1_ID', 'Drug2_ID', not from 'Drug1', 'Drug2'")
    assert has_note(table, "not read", "'n'")


def test_named_columns(write):
    path = write("p,q,r,effect\na,b,x,1\n")
    columns = InteractionColumns(drug_columns=("p", "Q"), effect_column="r")
    assert facts(read_interactions(path, columns=columns)) == {("a", "b", "x")}
    columns = InteractionColumns(drug_columns=("p", "drug"), effect_column="r")
    with pytest.raises(DataError, match="no column 'drug' in the table of inter"):
        read_interactions(path, columns=columns)
    with pytest.raises(DataError, match=r"no columns of drugs.*p, q.*--drug-columns"):
        read_interactions(path)
    with pytest.raises(SettingError, match="names of columns"):
        InteractionColumns(drug_columns=())


def test_without_a_column_of_effects(write):
    with pytest.raises(DataError, match=r"effects.*drug_1.*dose.*--effect-column"):
        read_interactions(write("drug_1,drug_2,dose\na,b,3\n"))


# --- labels --------------------------------------------------------------------------


def test_rows_with_the_label_0_are_not_facts(write):
    path = write("drug_1,drug_2,type,label\na,b,x,1\na,c,x,0\nb,c,y,0.0\nb,c,x,1\n")
    table = read_interactions(path)
    assert facts(table) == {("a", "b", "x"), ("b", "c", "x")}
    assert has_note(table, "2 rows with the label 0")
    assert table.quarantined == []


def test_conflicting_labels_are_quarantined(write):
    path = write("drug_1,drug_2,type,label\na,b,x,1\nb,a,x,0\na,b,y,1\na,c,x,\n")
    table = read_interactions(path)
    assert facts(table) == {("a", "b", "y")}
    assert "labels 1 and 0" in reasons(table)["line 2"]
    assert "labels 1 and 0" in reasons(table)["line 3"]
    assert reasons(table)["line 5"] == "the label is blank"
    assert not has_note(table, "label 0 not used")
    ordered = read_interactions(path, ordered="yes")
    assert facts(ordered) == {("a", "b", "x"), ("a", "b", "y")}


def test_numbers_of_effects_are_no_labels(write):
    path = write("drug_1,drug_2,Y,Side Effect Name\na,b,1,x\na,c,0,y\nb,c,2,z\n")
    table = read_interactions(path)
    assert facts(table) == {("a", "b", "x"), ("a", "c", "y"), ("b", "c", "z")}
    assert has_note(table, "not read", "'Y'")


def test_labels_alone_say_whether_drugs_interact(write):
    table = read_interactions(write("drug_1,drug_2,label\na,b,1\na,c,0\n"))
    assert facts(table) == {("a", "b", "interaction")}
    table = read_interactions(write("drug_1,drug_2,label\na,b,1\na,c,2\n"))
    assert facts(table) == {("a", "b", "1"), ("a", "c", "2")}


def test_only_negative_rows(write):
    with pytest.raises(DataError, match="All have the label 0"):
        read_interactions(write("drug_1,drug_2,type,label\na,b,x,0\n"))


# --- quarantine ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",,,x", "no drug is given"),
        (",b,,x", "a drug is blank before the last one"),
        ("a,,b,x", "a drug is blank before the last one"),
        ("a,b,,", "the effect is blank"),
        ("a,b,,|", "the effect is blank"),
        ("a,a,,x", "'a' is paired with itself"),
        ("a,b,a,x", "'a' is given twice in the set"),
        ("a,b\x01,,x", "a drug: the name contains the character U+0001"),
        ("a,b,,x|y\x02", "an effect: the name contains the character U+0002"),
        ("a,b", "the effect is blank"),
    ],
)
def test_quarantined_rows(write, row, reason):
    path = write(f"drug_1,drug_2,drug_3,effect\na,b,,x\n\n{row}\n")
    table = read_interactions(path)
    assert reasons(table) == {"line 4": reason}
    assert facts(table) == {("a", "b", "x")}
    assert table.drugs.tolist() == ["a", "b"]


def test_the_largest_sets(write):
    names = [f"d{k:02}" for k in range(31)]
    rows = "|".join(names[:30]), "|".join(names), "a|b|a"
    text = "drugs,effects\n" + "".join(f"{row},x\n" for row in rows)
    table = read_interactions(write(text))
    assert facts(table) == {(*names[:30], "x")}
    assert reasons(table) == {
        "line 3": "more than 30 drugs",
        "line 4": "'a' is given twice in the set",
    }


def test_rows_of_dataframes_are_counted_from_0():
    frame = pd.DataFrame({"drugs": ["a|b", "c|c"], "effect": ["x", "y"]})
    assert reasons(read_interactions(frame)) == {"row 1": "'c' is paired with itself"}


def test_nothing_usable(write):
    with pytest.raises(DataError, match=r"None of 1 row .*line 2: 'a' is paired"):
        read_interactions(write("drug_1,drug_2,effect\na,a,x\n"))


@pytest.mark.parametrize("text", ["", "\n\n", "drug_1,drug_2,effect\n"])
def test_empty_files(write, text):
    with pytest.raises(NoDataError):
        read_interactions(write(text))


def test_other_data(write, tmp_path):
    with pytest.raises(NoDataError, match="nothing at"):
        read_interactions(tmp_path / "missing.csv")
    with pytest.raises(DataError, match="must be a table"):
        read_interactions(write(LONG, "interactions.xlsx"))
    with pytest.raises(DataError, match="is a directory"):
        read_interactions(tmp_path)
    with pytest.raises(DataError, match="Got int"):
        read_interactions(3)
    with pytest.raises(DataError, match="two columns 'drug_1'"):
        read_interactions(write("drug_1,drug_1,effect\na,b,x\n"))
    with pytest.raises(DataError, match=r"line 3 has 4 cells|more cells"):
        read_interactions(write("drug_1,drug_2,effect\na,b,x\na,b,x,y\n"))


def test_rows_longer_than_the_header_are_refused_whatever_the_filter(write):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DataError, match="more cells"):
            read_interactions(write("drug_1,drug_2,effect\na,b,x,y\n"))


# --- order, duplicates and spellings -------------------------------------------------


def both_orders(num_pairs: int, differing: int) -> str:
    """Return pairs in both orders, of which some have another effect in each."""
    rows = [
        f"a{k},b{k},x\nb{k},a{k},{'y' if k < differing else 'x'}"
        for k in range(num_pairs)
    ]
    return "\n".join(["drug_1,drug_2,effect", *rows])


@pytest.mark.parametrize(
    ("num_pairs", "differing", "ordered"),
    [(12, 12, True), (12, 7, True), (12, 6, False), (12, 0, False), (9, 9, False)],
)
def test_the_order_is_inferred(write, num_pairs, differing, ordered):
    table = read_interactions(write(both_orders(num_pairs, differing)))
    assert table.ordered is ordered
    given = f"{num_pairs} pairs are given in both orders, {differing} of them"
    assert has_note(table, given, f"--ordered {'no' if ordered else 'yes'}")
    assert len(table.pairs) == 2 * num_pairs if ordered else num_pairs + differing


@pytest.mark.parametrize("directed", [True, False])
def test_facts_in_a_random_order_are_not_ordered(write, directed):
    """Each fact once: the effects of the two orders of a pair never agree."""
    rng, rows = np.random.default_rng(0), []
    for a, b in zip(*np.triu_indices(12, 1), strict=True):
        for effect in "wxyz":
            # directed: w and x go from the lower number to the higher, y and z back
            swap = effect in "yz" if directed else rng.random() < 0.5
            first, second = (b, a) if swap else (a, b)
            rows.append(f"d{first},d{second},{effect}")
    table = read_interactions(write("\n".join(["drug_1,drug_2,effect", *rows])))
    assert table.ordered is directed


def test_the_order_is_given(write):
    path = write(both_orders(12, 12))
    table = read_interactions(path, ordered="no")
    assert not table.ordered and table.num_pairs == 12 and len(table.pairs) == 24
    assert (table.pairs[:, 0] < table.pairs[:, 1]).all()
    table = read_interactions(write("drug_1,drug_2,effect\nb,a,x\n"), ordered="yes")
    assert table.ordered and facts(table) == {("b", "a", "x")}
    assert has_note(table, "--ordered yes")
    with pytest.raises(SettingError, match="auto, yes or no"):
        read_interactions(path, ordered="maybe")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("other", "differing"), [("x|y|z", 0), ("x", 0), ("x|z", 10)])
def test_pairs_with_half_of_their_effects_in_both_orders_agree(write, other, differing):
    rows = [f"a{k},b{k},x|y\nb{k},a{k},{other}" for k in range(10)]
    table = read_interactions(write("drug_1,drug_2,effect\n" + "\n".join(rows)))
    assert table.ordered is bool(differing)
    assert has_note(table, "10 pairs", f"{differing} of them")


def test_duplicates_are_counted(write):
    path = write("drug_1,drug_2,effect\na,b,x\nb,a,x\na,b,x\na,b,y\n")
    table = read_interactions(path)
    assert facts(table) == {("a", "b", "x"), ("a", "b", "y")}
    assert has_note(table, "2 repeated rows") and table.quarantined == []
    table = read_interactions(path, ordered="yes")
    assert facts(table) == {("a", "b", "x"), ("b", "a", "x"), ("a", "b", "y")}
    assert has_note(table, "1 repeated row")


def test_spellings(write):
    path = write(
        "drug_1,drug_2,effect\n a ,b,Heart  Attack\nA,b,heart attack\n"
        "a,b,HEART ATTACK\n"
    )
    table = read_interactions(path)
    assert table.effects.tolist() == ["Heart Attack"]
    assert table.drugs.tolist() == ["A", "a", "b"]
    assert has_note(table, "2 spellings", "'heart attack'")
    assert has_note(table, "differ only in case", "'A', 'a'")
    assert has_note(table, "1 repeated row")


def test_names_are_normalized(write):
    table = read_interactions(
        write("drug_1,drug_2,effect\ncafe\u0301,b,x\ncaf\xe9,b,y\n")
    )
    assert table.drugs.tolist() == ["b", "caf\xe9"]
