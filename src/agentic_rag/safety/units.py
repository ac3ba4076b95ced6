"""Names of numbers, units, currencies and days, and what each is worth. Pure."""

from fractions import Fraction
from typing import Final

ONES: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
WORTH = {word: at for at, word in enumerate(ONES)}
WORTH |= {word: 10 * at for at, word in enumerate(TENS, start=2)}
WORTH |= {"single": 1, "fourty": 40}

SCALES = {"hundred": 100, "thousand": 1000, "k": 1000, "million": 1_000_000, "dozen": 12}
SCALES |= dict.fromkeys(("lakh", "lakhs", "lac", "lacs"), 100_000)
SCALES |= dict.fromkeys(("crore", "crores"), 10_000_000)

ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7,
    "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12,
}  # fmt: skip
REPEATS = {"once": 1, "twice": 2, "thrice": 3}
ADVERBS = {
    "daily": "day", "nightly": "day", "weekly": "week", "monthly": "month", "hourly": "hour",
    "yearly": "year", "annually": "year",
}  # fmt: skip

_DAY = 24 * 60
_NAMES: tuple[tuple[str, int | Fraction, str], ...] = (
    ("time", Fraction(1, 60), "second seconds sec secs"),
    ("time", 1, "minute minutes min mins"),
    ("time", 60, "hour hours hr hrs"),
    ("time", _DAY, "day days night nights"),
    ("time", 7 * _DAY, "week weeks wk wks"),
    ("time", 14 * _DAY, "fortnight fortnights"),
    ("months", 1, "month months"),  # no number of days: they count for themselves
    ("months", 12, "year years yr yrs"),
    ("mass", Fraction(1, 1000), "mcg microgram micrograms \u03bcg"),
    ("mass", 1, "mg milligram milligrams"),
    ("mass", 1000, "g gm gms gram grams"),
    ("mass", 1_000_000, "kg kgs kilogram kilograms kilo kilos"),
    ("volume", 1, "ml millilitre millilitres milliliter milliliters cc"),
    ("volume", 1000, "l litre litres liter liters"),
    ("length", 1, "mm millimetre millimetres millimeter millimeters"),
    ("length", 10, "cm centimetre centimetres centimeter centimeters"),
    ("length", 1000, "m metre metres meter meters"),
    ("length", 1_000_000, "km kms kilometre kilometres kilometer kilometers"),
    ("percent", 1, "% percent percentage"),
    ("celsius", 1, "\u00b0c celsius"),
    ("fahrenheit", 1, "\u00b0f fahrenheit"),
    ("pressure", 1, "mmhg"),
    ("iu", 1, "iu"),
)
UNITS = {name: (kind, Fraction(factor)) for kind, factor, all_ in _NAMES for name in all_.split()}
"""What each unit measures, and how much of it: an hour is 60 of time."""

TIMES = frozenset({"time", "months"})

_BY_CODE_ALONE = "nok sek dkk chf aud cad nzd sgd myr jpy cny lkr npr bdt pkr zar sar qar"
CURRENCIES: dict[str, str] = {code: code for code in _BY_CODE_ALONE.split()}
for _code, _all in (
    ("inr", "inr rs \u20b9 rupee rupees"),
    ("usd", "usd $ dollar dollars"),
    ("eur", "eur \u20ac euro euros"),
    ("gbp", "gbp \u00a3 pound pounds"),
    ("aed", "aed dirham dirhams"),
):
    CURRENCIES |= dict.fromkeys(_all.split(), _code)

MONTHS = {
    name: at
    for at, names in enumerate(
        (
            "january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul",
            "august aug", "september sep sept", "october oct", "november nov", "december dec",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip

DAYS = {
    name: at
    for at, names in enumerate(
        (
            "monday mondays mon", "tuesday tuesdays tue tues", "wednesday wednesdays wed",
            "thursday thursdays thu thur thurs", "friday fridays fri",
            "saturday saturdays sat", "sunday sundays sun",
        )
    )
    for name in names.split()
}  # fmt: skip
