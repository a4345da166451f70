"""`python -m services.enrollment`"""

from services.enrollment.app import build
from services.enrollment.settings import EnrollmentSettings
from shared.service import main
from shared.settings.reading import load

if __name__ == "__main__":  # a spawned rendering process imports this module again
    settings = load(EnrollmentSettings)
    main(settings, lambda: build(settings))
