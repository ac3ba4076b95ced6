"""The small words of English that turn a statement round, bound it or weaken it. Pure."""

from agentic_rag.language import STOP_WORDS
from agentic_rag.safety.wording import root


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _each(kind: str, text: str) -> dict[str, str]:
    return dict.fromkeys(text.split(), kind)


NEGATORS = _words("not no never none neither nor without cannot nobody nothing nowhere hardly")
SHUNNING = frozenset(map(root, _words("avoid refrain forbidden prohibited banned skip exclusions")))
SHUNNING_PAIRS = {
    ("stay", "away"), ("keep", "away"), ("off", "limits"), ("steer", "clear"), ("stay", "off"),
    ("keep", "off"), ("stay", "out"), ("stay", "clear"), ("leave", "out"), ("leaving", "out"),
    ("left", "out"), ("hold", "off"),
}  # fmt: skip
PUT_OFF = frozenset(map(root, _words("postponed delayed deferred wait")))
ACTORS = frozenset(map(root, _words("clinic practice team staff patient patients client people")))
"""Who does something: another one is another statement."""

HOUSE = frozenset(map(root, _words("we clinic practice team staff")))
GUESTS = frozenset(map(root, _words("you patient patients client")))
RECEIVING = _words("get receive have need want like wish find hear")
"""What "you" do where "we" do something: "you get", as "we give"."""

BE = _words("be is are was were been being isn't aren't wasn't get gets")
FINITE = _words("may can must should will is are was were")
VERBAL = _words(
    "is are was were can may must should will you we it they do does please there has have which"
    " who that"
)
SUBJECTS = _words("you we it they he she there please then so") | FINITE
"""What begins a clause of its own behind an "and"."""

ORDERED = _words("it them him her your the us")
"""What stands behind an order: "and keep it dry"."""

BREAKS = _words("but so then yet whereas however which")
"""What ends the reach of a "not" or an "if"."""

PRICES = _words("charge charges charged cost costs fee fees price pay paid")
FRONTING = _words("with for on in at by from under")
"""What a scene is set with: "with a new crown, ..."."""

NARROW_ENDS = _words("for in at on to with is are by from")
"""What ends the reach of a "no", which is about its noun."""

NOUN_GOES_ON = NARROW_ENDS | {"of", "and", "or", "than", "about", "into", "all", "both"}
"""What stands before a "the" that begins nothing of its own."""

OBJECTS = _words("the a an your it them this these one two with gently at")
"""What stands behind a verb that begins an order."""

NEEDLESS = _words("required necessary mandatory compulsory obligatory need")
"""What says, behind a "not", that something may be left undone."""

MODALS = {
    **_each("must", "must mandatory compulsory obligatory shall"),
    **_each("need", "required requires require necessary need needs needed"),
    **_each("should", "should ought"),
    **_each(
        "advise",
        "recommended recommend recommends advised advise advisable ideally preferably encouraged",
    ),
    **_each("may", "may might could possibly perhaps maybe"),
    **_each(
        "can", "can able possible allowed permitted allow optional welcome option fine okay ok"
    ),
    **_each("", "will would"),
}
HEDGES = {
    **_each("always", "always invariably"),
    **_each(
        "usually",
        "usually usual normally generally typically often commonly common mostly frequently tend"
        " tends likely mainly",
    ),
    **_each("sometimes", "sometimes occasionally occasional"),
    **_each("rarely", "rarely seldom rare uncommon"),
    **_each("only", "only solely exclusively"),
    **_each("all", "all every everyone everybody"),
    **_each("each", "each"),
    **_each("both", "both"),
    **_each("most", "most majority"),
    **_each("some", "some certain"),
    **_each("almost", "almost nearly virtually"),
}
FRAMES = {
    **_each("any", "anyone anybody anything anywhere"),
    **_each("together", "together combined altogether"),
    **_each(
        "unsure",
        "myth myths rumour rumor believed doubt doubtful unlikely probably supposedly reportedly",
    ),
    **_each("formerly", "formerly previously"),
    **_each("off", "discount discounted refund refunded save saves covers reimburses"),
    **_each("stop", "stop stops stopping stopped quit discontinue pause"),
}
"""Words that say how what stands beside them is meant."""

MARKERS = {
    **_each("before", "before prior"),
    **_each("after", "after following once"),
    **_each("", "afterwards"),
    **_each("who", "who whose"),
    **_each("until", "until till"),
    **_each("if", "if when whenever whether provided"),
    **_each("unless", "unless"),
    **_each("except", "except excluding excepting"),
    **_each("because", "because since"),
    **_each("than", "than"),
    **_each("instead", "instead rather"),
    **_each("while", "while during"),
    **_each("despite", "despite although"),
}
"""What puts the words behind it in a relation to the rest."""

SOMEBODY = _words("everyone anyone everybody anybody people patients those persons children women")
MARKING_PAIRS = {
    ("in", "case"): "if",
    ("together", "with"): "if",
    ("apart", "from"): "except",
    ("other", "than"): "except",
    ("only", "with"): "only if",
    ("only", "by"): "only if",
    ("only", "on"): "only if",
}
ROLES = _words(
    "with to for from of by in on at into onto under over about against near around beside behind"
    " between through inside outside below beneath above"
)
"""What tells the role of the words behind it."""

PLACES = {
    **_each("around", "around"), **_each("beside", "beside near"), **_each("behind", "behind"),
    **_each("under", "under below beneath"), **_each("over", "over above"),
    **_each("between", "between"),
    **_each("outside", "outside"),
}  # fmt: skip
"""Those of a place that another one changes."""

WITHIN = _words("in into on onto to at")
"""Those that are often said for one another, but for none of a place beside or behind."""

PARTICLES = _words(
    "up down in out on off away back above below over under inside outside upstairs downstairs"
)
OPPOSITE_PARTICLES = (
    ("~up", "~down"), ("~in", "~out"), ("~on", "~off"), ("~above", "~below"), ("~over", "~under"),
    ("~inside", "~outside"), ("~upstairs", "~downstairs"),
)  # fmt: skip
OPPOSITES = {
    "closed": "open", "shut": "open", "unavailable": "available", "impossible": "possible",
    "unable": "able",
}  # fmt: skip
"""What says "not" and another word in one."""

COMPARED = {
    **_each("more", "more higher longer above increase"),
    **_each("less", "less lower shorter fewer below decrease"),
    **_each("better", "better"),
    **_each("worse", "worse"),
    **_each("earlier", "earlier"),
    **_each("later", "later"),
    **_each("faster", "faster"),
    **_each("slower", "slower"),
    **_each("cheaper", "cheaper cheapest"),
}
POINTING = _words("it them they its one this")
"""What stands for something that was named before."""

BOUNDING = _words(
    "more less than least most at up to over under above below older younger longer later earlier"
    " fewer minimum maximum no not or and a of greater higher lower only exceeding as long much"
    " many high heavier lighter larger bigger smaller start starts starting begin begins"
)
LIGHT = frozenset(
    map(
        root,
        _words("""
    take last cost need require be become have get make do go come give provide offer receive want
    like please note also however therefore patient
    clinic total able ensure sure remember mean available case document information lot thing way
    past feel notice expect appear experience
    time call know let people due stay remain out aim best suit ideal see run serve ready pay
    result plan put keep place buy look here each today someone anyone everyone client wish
    will possible involve happen occur say tell own find belong so still just then even really
    very actually simply currently usually kind type certain part done use used using
    count amount charge price
    fee further practice team staff turn well old age ask contain sign
    """),
    )
)
"""Words around what is said: nobody misses them in a sentence."""

STOPS = STOP_WORDS - _words(
    "before after until if because while during no not nor above below over under off out up"
    " down more most only further again"
) | _words(
    "there another anybody anyone nobody everybody under steer along apart ahead afterwards"
    " anything something beforehand per carried upon onto"
    " within without via the us they everything ll ve s t re among towards whom dear hello yes"
    " although though either whereas up out off down over one ones too is it its least inr rs"
    " rupees am pm ist about around approximately roughly yourself yourselves himself herself"
    " themselves ourselves ever together"
)
"""Words that say nothing by themselves."""
