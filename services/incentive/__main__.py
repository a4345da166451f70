"""`python -m services.incentive`"""

from services.incentive.app import build
from services.incentive.settings import IncentiveSettings
from shared.service import main
from shared.settings.reading import load

if __name__ == "__main__":
    settings = load(IncentiveSettings)
    main(settings, lambda: build(settings))
