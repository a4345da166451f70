"""`python -m services.notification`"""

from services.notification.app import build
from services.notification.settings import NotificationSettings
from shared.service import main
from shared.settings.reading import load

if __name__ == "__main__":
    settings = load(NotificationSettings)
    main(settings, lambda: build(settings))
