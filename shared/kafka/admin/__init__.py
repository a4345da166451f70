"""Users, rights, quotas and topics in Kafka, as an administrator sets them up. For the set-up step and the command
line alone: no service imports this, and no service has the rights for it.

    admin = KafkaAdmin(connection, topic_prefix)       # as an administrator; connects when first asked

    admin.ensure_topics(specs)                         # -> names of those that were missing; TopicsDiffer
    admin.ensure_services({"enrollment": password})    # topics, users and rights of services -> what was done
    admin.ensure_agency("dinas-sda", user, password)   # topic, user, right, quota -> what was done; see AgencyQuota
    admin.ensure_agency_topic("dinas-sda")             # for one that speaks over HTTP alone
    admin.agency_users("dinas-sda")                    # its users, oldest first; next_agency_user(...) is the next
    admin.deny(user)                                   # suspended: refused at once, on open connections too
    admin.allow(user)                                  # the same user and password again
    admin.delete_user(user)                            # with its rights, denial and quota, for good
    admin.describe_agencies(["dinas-sda"])             # -> AgencyState for each: topic, users, rights, quota
    admin.drift(["dinas-sda"])                         # -> a sentence for each difference from what is declared

Each step may be repeated: what is there already is left alone, and a password that is another one is set to the one
given, which is told. So whoever was interrupted runs it again. Rotating a password is `ensure_agency` with the next
user, then, once the agency has it, `deny` of the one before. Errors are `AdminError`, one sentence without a password.
"""

from shared.kafka.admin.admin import KafkaAdmin
from shared.kafka.admin.agencies import AgencyQuota, AgencyState, UserState
from shared.kafka.admin.errors import AdminError

__all__ = ["AdminError", "AgencyQuota", "AgencyState", "KafkaAdmin", "UserState"]
