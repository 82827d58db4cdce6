"""Decisions, findings, figures and the log over HTTP."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field, JsonValue


class DecisionView(BaseModel):
    """A decision with every rule, citation and value, and the bytes that were hashed."""

    decision_id: UUID = Field(description="The decision.")
    record: dict[str, JsonValue] = Field(description="The record, with what its frame says of each rule.")
    record_canonical: str = Field(description="The canonical JSON whose commitment is in the log.")
    frame_canonical: str | None = Field(
        None,
        description="The canonical JSON whose SHA-256 the record names as its frame: the rules in their order, with "
        "citations and usual answers, of which the record says only what was otherwise, by their places. Null where "
        "the record says everything itself.",
    )
    record_sha256: str = Field(description="SHA-256 of the canonical JSON, hexadecimal.", pattern="^[0-9a-f]{64}$")
    permit_id: UUID | None = Field(description="The permit that it granted; null for a refusal and for a dry run.")
    leaf_id: UUID = Field(description="Its leaf.")
    leaf_index: int | None = Field(description="Index of the leaf; null for at most a second.")


class RuleCount(BaseModel):
    """How often a rule spoke."""

    rule: str = Field(description="The rule.")
    citation: str = Field(description="Its citation.")
    count: int = Field(description="How often.")


class RecallTimes(BaseModel):
    """From the fact's arrival to the revocation, milliseconds of real time."""

    count: int = Field(description="Permits revoked.")
    p50_ms: int | None = Field(description="Median.")
    p95_ms: int | None = Field(description="95th percentile.")
    p99_ms: int | None = Field(description="99th percentile.")


class SummaryView(BaseModel):
    """Compliance in figures, counted from its own tables."""

    permits: dict[str, int] = Field(description="Permits granted, by state.")
    permits_granted: int = Field(description="Permits granted in all.")
    decisions: dict[str, int] = Field(description="Decisions by answer.")
    refused_by_rule: list[RuleCount] = Field(description="How many decisions each rule refused.")
    contacts_audited: int = Field(description="Contacts judged.")
    contacts_lawful: int = Field(description="Of them lawful.")
    findings: int = Field(description="Findings opened.")
    findings_by_rule: list[RuleCount] = Field(description="Findings by rule.")
    parties_stopped: int = Field(description="Parties with an open hold.")
    holds_open: dict[str, int] = Field(description="Open holds by kind.")
    leaves: int = Field(description="Leaves in the tree.")
    leaves_pending: int = Field(description="Leaves waiting for the tree.")
    checkpoints: int = Field(description="Signed checkpoints.")
    log_key: str = Field(description="The log's vkey. Publish it elsewhere; verifiers take it from there.")
    log_key_fingerprint: str = Field(description="SHA-256 of the vkey.")
    rule_set: str = Field(description="Hash of packs, rule source and time-zone data.")
    recalls: RecallTimes = Field(description="Recall times.")


class InclusionView(BaseModel):
    """RFC 9162 inclusion proof."""

    leaf_index: int = Field(description="The leaf.")
    tree_size: int = Field(description="The tree.")
    leaf_hash: str = Field(description="Base64.")
    path: list[str] = Field(description="Base64 hashes, leaf to root.")


class ConsistencyView(BaseModel):
    """RFC 9162 consistency proof."""

    first: int = Field(description="Size of the older tree.")
    second: int = Field(description="Size of the newer tree.")
    path: list[str] = Field(description="Base64 hashes.")


class CommittedFieldView(BaseModel):
    """A field that the leaf only commits to: HMAC-SHA-256(salt, length-prefixed name and value)."""

    name: str = Field(description="Name of the field.")
    state: Literal["open", "erased"] = Field(description="Erased: the salt is gone, and with it what the leaf says.")
    salt: str | None = Field(description="Base64; with name and value it gives the commitment. Null when erased.")


class PartyLeafView(BaseModel):
    """One leaf of a party's chain with its proof."""

    leaf_id: UUID = Field(description="The leaf.")
    kind: str = Field(description="Kind of leaf.")
    record: dict[str, JsonValue] = Field(description="The leaf's content, public part and commitments.")
    leaf: str = Field(description="Its exact bytes, base64.")
    fields: list[CommittedFieldView] = Field(description="Its committed fields.")
    proof: InclusionView = Field(description="Proof under the newest checkpoint.")
