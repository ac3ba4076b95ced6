"""Keeps what stands over the words of a statement while it is read: "not", "before", "if". Pure."""

from dataclasses import dataclass, field, replace

from agentic_rag.safety.quantity import Quantity


@dataclass(frozen=True, slots=True)
class Word:
    """A word that says something.

    Attributes:
        meanings: its root, and the groups of words and phrases that it belongs to.
        is_negated: whether it stands under a "not".
        tag: before, after, until, if ... where it stands behind such a word.
        group: which of the tags that is, counted from 1.
        depth: how many words stand between it and the tag.
        clause: which clause it is in.
        is_light: whether nobody misses it.
        at: where it stands among the words.
        part: which part of the statement it is in: a main clause, and what hangs on it.
        item: which of the things that are joined by commas and "and", each with what hangs on it.
        role: the preposition that it stands behind.
    """

    root: str
    meanings: frozenset[str]
    is_negated: bool
    tag: str
    group: int
    depth: int
    clause: int
    is_light: bool
    at: int
    part: int
    item: int
    role: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A quantity, and how it stands in the statement; `at` is how many words stand before it."""

    quantity: Quantity
    is_negated: bool
    tag: str
    clause: int
    at: int
    item: int


@dataclass(slots=True)
class Parse:
    """What has been read of a statement, and what stands over the word that comes next.

    A "not" reaches over its whole clause: over what stands before it, too ("scaling is not
    painful"), and on through a list. A "no" is narrow: it is about its noun.
    """

    words: list[Word] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    flags: set[tuple[str, int]] = field(default_factory=set)
    clause: int = 0
    part: int = 0
    item: int = 0
    role: str = ""
    tag: str = ""
    is_negated: bool = False
    is_narrow: bool = False
    is_leading: bool = False  # the statement begins with the tag
    in_commas: bool = False
    has_verb: bool = False  # the clause has one already
    since_not: int = 0  # words behind the last "not"
    depth: int = 0
    group: int = 0
    ended_in_figure: bool = False
    began_narrow: bool = False
    _led: str = ""  # the "until" or "unless" that the statement began with
    _negated_in: int = -1  # the clause of the last "not"
    _run: tuple[int, int] = (0, 0)  # where in words and figures the clause began
    _list: int = 0  # where in words the list began that the clause is the end of
    _main: int = 0  # the clause that the last boundary began

    def add_word(self, root: str, meanings: frozenset[str], *, is_light: bool) -> None:
        """Add a word as it stands."""
        self.words.append(
            Word(
                root=root,
                meanings=meanings,
                is_negated=self.is_negated,
                tag=self.tag,
                group=self.group,
                depth=self.depth,
                clause=self.clause,
                is_light=is_light,
                at=len(self.words),
                part=self.part,
                item=self.item,
                role=self.role,
            )
        )
        self.depth += 1
        self.since_not += 1
        self.ended_in_figure = False

    def take_back(self, root: str, particle: str) -> None:
        """Take back the verb just added, and its particle: together they only say "not"."""
        self.flags.discard((f"~{particle}", self.clause))
        if self.words and self.words[-1].root == root:
            self.words.pop()

    def add_figure(self, quantity: Quantity) -> None:
        """Add a number as it stands; a "no" before it ends there."""
        self.figures.append(
            Figure(
                quantity=quantity,
                is_negated=self.is_negated,
                tag=self.tag,
                clause=self.clause,
                at=len(self.words),
                item=self.item,
            )
        )
        self.ended_in_figure = True
        self.role = ""
        self.end_narrow()

    def in_clause(self) -> bool:
        """Tell whether the clause has a word that counts."""
        return any(not w.is_light for w in self.words if w.clause == self.clause)

    def flag(self, name: str) -> None:
        """Note something about the clause."""
        self.flags.add((name, self.clause))

    def next_in_list(self, sign: str) -> None:
        """Go on to the next of a list: what stands over it stays; a "no" only within commas."""
        self.in_commas |= sign == ","
        if sign == "and" and not self.in_commas:
            self.end_narrow()
        self._next_clause(in_list=True, new_run=not self.is_negated)
        if sign in ("and", "or"):
            self.flag(f"@{sign}")

    def end_clause(self) -> None:
        """Go on to a clause of its own: nothing stands over it."""
        self.part += not self.is_leading
        if self.tag and not self.depth:
            self.flag(f"@{self.tag}")  # a "before" with nothing behind it
        if self.is_leading and self.tag in ("until", "unless", "without"):
            self._led = self.tag
        self.is_negated = self.is_narrow = self.in_commas = False
        self.tag, self.is_leading = "", False
        self._next_clause(in_list=False, new_run=True)
        self._main = self.clause

    def end_narrow(self) -> None:
        """End the reach of a "no"."""
        if self.is_narrow:
            self.is_negated = self.is_narrow = False

    def begin_tag(self, tag: str, *, is_alternative: bool) -> None:
        """Put what follows behind a "before", an "if" ..."""
        if is_alternative:
            self.flag(f"@or {self.group + 1}")
        leads = self.is_leading or (not self.words and not self.figures)
        part, item = self.part, self.item
        self.end_clause()
        self.part, self.item = part, item  # it hangs on what stands before
        self.tag, self.is_leading, self.depth = tag, leads, 0
        self.group += 1

    def negate(self, *, list_too: bool) -> None:
        """Read a "not"; behind "until ..." and "unless ..." it makes them "only if"."""
        if self._led:
            self.words = [
                replace(word, tag="only if") if word.tag == self._led else word
                for word in self.words
            ]
            self._led = ""
            return
        self.is_negated = not (self.is_negated and self._negated_in == self.clause)
        self._negated_in, self.since_not = self.clause, 0
        self.mark_run(list_too=list_too)

    def widen(self) -> None:
        """Have a "no" reach over its clause: "no antibiotic is needed for a filling"."""
        self.is_narrow, self.since_not = False, 0

    def negate_noun(self, *, verb_too: bool) -> None:
        """Read a "no" or a "without"."""
        self.began_narrow = verb_too and self._run[0] == len(self.words)
        self.is_negated = self.is_narrow = True
        self.flag("@no")
        if verb_too:
            self.mark_run()

    def negate_one(self, root: str, meanings: frozenset[str]) -> None:
        """Read "sugar-free", which says "not" of its own word alone."""
        self.is_negated = not self.is_negated
        self.add_word(root, meanings, is_light=False)
        self.is_negated = not self.is_negated
        self.flag("@no")

    def turn(self, *, list_too: bool) -> None:
        """Read a word that says "not" by itself: "avoid", "closed"."""
        self.is_negated = not self.is_negated
        self.mark_run(list_too=list_too)

    def only_if(self) -> None:
        """Read "not ... until", "not ... unless" and "not ... without" as "only if"."""
        self.is_negated = False
        self.words = [
            replace(word, is_negated=False) if word.clause >= self._main else word
            for word in self.words
        ]
        self.figures = [
            replace(figure, is_negated=False) if figure.clause >= self._main else figure
            for figure in self.figures
        ]
        part, item = self.part, self.item
        self.end_clause()
        self.part, self.item = part, item
        self.tag, self.depth = "only if", 0
        self.group += 1

    def mark_run(self, *, list_too: bool = False) -> None:
        """Put what stands before in the same clause, or list, under the same "not"."""
        first, figures = self._run
        if list_too and first < len(self.words):
            first = self._list
        for at, word in enumerate(self.words[first:], start=first):
            if word.tag == self.tag:
                self.words[at] = replace(word, is_negated=self.is_negated)
        for at, figure in enumerate(self.figures[figures:], start=figures):
            self.figures[at] = replace(figure, is_negated=self.is_negated)

    def _next_clause(self, *, in_list: bool, new_run: bool) -> None:
        self.clause += 1
        self.item += 1
        self.role = ""
        if new_run:
            self._run = (len(self.words), len(self.figures))
            if not in_list or self.has_verb:
                self._list = len(self.words)
            self.has_verb = False
