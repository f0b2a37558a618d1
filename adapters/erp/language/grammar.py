"""The grammar of expressions, for lark."""

from __future__ import annotations

from typing import Final

GRAMMAR: Final = r"""
// An expression of a mapping file. Loosest first; what stands below binds tighter.

?start: either

?either: both | either OR both
?both: negation | both AND negation
?negation: comparison | NOT negation
?comparison: fallback
    | fallback COMPARED fallback    -> compared
    | fallback IN fallback          -> member
    | fallback NOT IN fallback      -> no_member
    | fallback IS THERE             -> there
    | fallback IS NOT THERE         -> not_there
?fallback: sum | sum OTHERWISE fallback
?sum: product | sum (PLUS | MINUS) product
?product: piped | product TIMES piped
?piped: atom
    | piped PIPE NAME
    | piped PIPE NAME "(" _arguments ")"
_arguments: either ("," either)*
?atom: path
    | TEXT                          -> text
    | NUMBER                        -> number
    | MINUS NUMBER                  -> negative
    | TRUE                          -> yes
    | FALSE                         -> no
    | NULL                          -> null
    | LIST "]"                      -> list_of
    | LIST _arguments "]"           -> list_of
    | "(" either ")"                -> group
path: NAME
    | path "." NAME
    | path "." TEXT
    | path "[" NUMBER "]"           -> place

OR: "or"
AND: "and"
NOT: "not"
IN: "in"
IS: "is"
THERE: "there"
TRUE: "true"
FALSE: "false"
NULL: "null"
LIST: "["
COMPARED: "==" | "!=" | "<=" | ">=" | "<" | ">"
OTHERWISE: "??"
PLUS: "+"
MINUS: "-"
TIMES: "*"
PIPE: "|"
NAME: /_?[A-Za-z][A-Za-z0-9_]*/
NUMBER: /[0-9]+(\.[0-9]+)?/
TEXT: /'([^']|'')*'/

%ignore /[ \t\r\n]+/
"""
