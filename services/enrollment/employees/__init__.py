"""What is said and decided of people: registrations, whose person somebody is, which files are one person's.

`registration.py`, `transfers.py` and `merging.py` decide, `headcount.py` says how many people an agency may claim.
`routes.py` turns what officers ask for into the commands of `shared/contracts/people.py`, `views.py` is what is shown,
`previews.py` what an order would do.

It owns the collections `employee_numbers`, `employees` and `headcounts`, and imports contests and what those rest on.
"""

from services.enrollment.employees.merging import HANDLERS as MERGING
from services.enrollment.employees.registration import HANDLERS as REGISTRATION
from services.enrollment.employees.transfers import HANDLERS as TRANSFERS
from services.enrollment.persons.documents import EMPLOYEE_NUMBERS, EMPLOYEES, HEADCOUNTS
from shared.pipeline.capabilities import Capability

CAPABILITY = Capability(
    "employees", {**REGISTRATION, **TRANSFERS, **MERGING}, (EMPLOYEE_NUMBERS, EMPLOYEES, HEADCOUNTS)
)
