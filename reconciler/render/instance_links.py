"""Where a person sees an instance at the service."""

from urllib.parse import quote

from reconciler.model import InstanceId


def instance_url(
    template: str | None, instance: InstanceId | None, flow_id: int | None
) -> str | None:
    """The URL of the instance; None where the template, or anything that it needs, is not known.

    `template`: `gateway.instanceUrl`. What the service called the instance is quoted, so that it
    cannot lead anywhere else.
    """
    if template is None or not instance or (flow_id is None and "{flowId}" in template):
        return None
    quoted = quote(instance.encode("utf-8", "replace"), safe="")
    if not quoted.strip("."):
        return None  # `.` and `..` would lead to another page, quoted or not
    return template.replace("{flowId}", str(flow_id)).replace("{flowInstanceId}", quoted)
