"""Employee numbers: NIP of a PNS or NI PPPK. They show birth date and sex, so no text here repeats one."""

from datetime import date

LENGTH = 18


def check_employee_number(text: str) -> str | None:
    """Why this is no employee number, without the number itself; None if it is one.

    NIP: birth date YYYYMMDD, appointment YYYYMM, sex, 3 digits. NI PPPK: birth date, year, contract counter
    (21 or more), 1 digit, 3 digits. There is no check digit.
    """
    if len(text) != LENGTH:
        return f"employee number has {len(text)} characters, not {LENGTH}: send NIP or NI PPPK as bare digits"
    if not (text.isascii() and text.isdigit()):
        return f"employee number has characters other than the digits 0-9: send {LENGTH} bare digits as text"
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return "employee number begins with no date of birth (YYYYMMDD) that exists: correct digits 1-8"
    if not (1 <= int(text[12:14]) <= 12 or int(text[12:14]) >= 21):
        return (
            "employee number has in digits 13-14 neither a month (01-12, NIP) nor a contract counter "
            "(21 or more, NI PPPK): correct them"
        )
    if text[14] not in "12":
        return "employee number has neither 1 nor 2 as its digit 15: correct it"
    return None


def mask(number: str) -> str:
    """`1985******1001`: enough for its holder to recognise. What is no employee number shows nothing."""
    if len(number) != LENGTH or not (number.isascii() and number.isdigit()):
        return "******"
    return f"{number[:4]}******{number[-4:]}"
