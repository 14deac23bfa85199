"""Days on which clocks change, for tests of what is regular in local time."""

from __future__ import annotations

# Zone and a day near which its clock changes: both changes, by half an hour too, at midnight too; and none.
CHANGES = [
    ("New_York", "2026-03-08"),
    ("New_York", "2026-11-01"),
    ("Lord_Howe", "2026-04-05"),
    ("Lord_Howe", "2026-10-04"),
    ("Sao_Paulo", "2018-11-04"),
    ("Sao_Paulo", "2019-02-16"),
    ("Havana", "2024-11-03"),
    ("Kathmandu", "2026-06-01"),
    ("London", "2026-03-29"),
    ("GMT+5", "2026-01-01"),
    ("UTC", "2026-01-01"),
]
