"""What an expression can name, by where it stands. Whoever checks a file and whoever runs it keep to this one list.

    everywhere            settings           what a connection says; those that are secret only in a door

    a door
      address             settings           none that is secret
      let                 settings           and the names that `let` gave before
      headers, basic,     settings, session  and all names of `let`; `session` has what the session keeps
      always, path                           (in a path nothing that is secret)
      session.log_in      settings           and all names of `let`
      session.keep        settings, answer

    a table of faults     settings, status, kind, body, changes, media_type
      text                settings, status, body

    outbound              settings, message  what the hub says: `domain.erp.ErpMessage`
      a step              and each name of a `look` or `let`, and each that a `do` keeps, of the steps before it
      a `do` with `each`  and what `as` says
      confirm             and what the step itself has read or kept
      call.expect, take,  and answer
      keep

    a named call          settings, given    what the step says in `with`, and nothing else
      expect, take        and answer

    inbound
      poll.call           settings, since    and `page` where the poll has `pages`: both say where the asking goes on
      poll.rows, next     settings, answer
      poll.id, stamp      settings, row
      poll.still          settings, row, since
      push                settings, body     but for its user and its answer, which are known before it is read
      fetch               settings, id       and `row` where nothing but a poll leads here, and what was fetched before
      gives               settings, id,      and `row`, likewise, and all that is fetched; `known` says whether the
                          known              hub has the document already

    recall.call           settings, reference
    recall.rows           settings, reference, answer
    recall.into           settings, row

A name that a step makes is there from then on, whatever the step did: where it was skipped, or where it found nothing,
the name stands for what it stood for before, else for nothing (`is not there`).
"""

from __future__ import annotations

from typing import Final

SETTINGS: Final = "settings"
SESSION: Final = "session"
ANSWER: Final = "answer"
STATUS: Final = "status"
KIND: Final = "kind"
BODY: Final = "body"
CHANGES: Final = "changes"
MEDIA_TYPE: Final = "media_type"
MESSAGE: Final = "message"
GIVEN: Final = "given"
SINCE: Final = "since"
PAGE: Final = "page"
ROW: Final = "row"
ID: Final = "id"
REFERENCE: Final = "reference"
KNOWN: Final = "known"

RESERVED: Final = frozenset(
    {
        *(SETTINGS, SESSION, ANSWER, STATUS, KIND, BODY, CHANGES, MEDIA_TYPE),
        *(MESSAGE, GIVEN, SINCE, PAGE, ROW, ID, REFERENCE, KNOWN),
    }
)
"""Names that a file gives to nothing of its own: they would hide what stands for something already."""
