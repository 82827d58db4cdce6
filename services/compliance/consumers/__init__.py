"""From events to facts, holds, recalls and audits. Handlers of different topics commute."""
