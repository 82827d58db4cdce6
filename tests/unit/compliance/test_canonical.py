"""The canonical form is that of the standard library."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.compliance.domain.canonical import canonical


def plain_json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(st.characters(max_codepoint=127)), parts),
    max_leaves=20,
)


@settings(deadline=None, max_examples=60)
@given(document=st.dictionaries(st.text(st.characters(max_codepoint=127)), JSON))
def test_canonical_form_is_that_of_the_standard_library(document: Any) -> None:
    assert canonical(document) == plain_json(document)
