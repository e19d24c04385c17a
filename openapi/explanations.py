"""What each problem means and what to do about it, by the name that ends its `type`."""

from dataclasses import dataclass

from chalicelib import errors
from chalicelib.errors import Failure


@dataclass(frozen=True)
class Explanation:
    means: str
    to_do: str
    example: Failure | None = None
    """Unless it is the same every time."""


EXPLANATIONS = {
    "malformed-request": Explanation(
        "The body cannot be read as JSON, is nested too deeply, has a number too long to be one, or is not UTF-8; or a"
        " parameter is not what HTTP allows.",
        "Send JSON in UTF-8, with `Content-Type: application/json`. `detail` says where the reading stopped.",
        errors.MalformedRequest("The body is not JSON: EOF while parsing an object at line 1 column 12."),
    ),
    "invalid-request": Explanation(
        "A field or parameter has a value that is not taken, is missing, is given twice, or is not known. Unknown ones"
        " are refused, so that a typing error does not search for something else.",
        "Each entry of `errors` names a field, in the body or the query, and what is wrong with it. Correct them and"
        " send the request again; the same request would fail again.",
        errors.InvalidRequest.of("limit", "Input should be less than or equal to 100"),
    ),
    "unauthorized": Explanation(
        "The request has no access token, or one that is expired, forged, of another user pool, or without any of the"
        " scopes that the API takes. ID tokens are not taken.",
        "Get a new access token and send it as `Authorization: Bearer <token>`. If a fresh one is refused too, look at"
        " its `token_use` (must be `access`), `iss` and `scope`.",
    ),
    "forbidden": Explanation(
        "The token is valid, but its holder may not do this. A machine's scopes or a person's group give the permission"
        " `read`, `write` or `admin`; each includes the ones before. To delete or restore an image that someone else"
        " created, to get upload URLs for it or to complete its upload requires `admin`.",
        "Ask whoever runs the service for the group or scope that `detail` names. Trying again does not help.",
        errors.Forbidden("This needs the permission `write`."),
    ),
    "not-found": Explanation(
        "There is no such path, or the path does not take this method.",
        "Compare the path and the method with the reference. Names of tags in a path are percent-encoded, a `/` in them"
        " as `%2F`.",
    ),
    "image-not-found": Explanation(
        "There is no image with this id, or it is in the bin.",
        "If it was deleted in the last 30 days, `POST /v1/images/{image_id}/restore` brings it back, for who created it"
        " and for admins.",
        errors.ImageNotFound(246_471_733_248_007),
    ),
    "tag-not-found": Explanation(
        "There is no tag with this id: it never was, was deleted, or was merged into another.",
        "Look for the tag by its name: `GET /v1/tags?match=…`.",
        errors.TagNotFound(7),
    ),
    "tag-name-taken": Explanation(
        "Another tag has the name already; `tag_id` says which.",
        "Choose another name, or merge the two: `POST /v1/tags/{tag_id}/merge`.",
        errors.TagNameTaken(7, "chest-xray", 5),
    ),
    "image-already-present": Explanation(
        "The file of this image has arrived; files are never replaced.",
        "If you meant this very file, there is nothing left to do. For another file register a new image.",
        errors.ImageAlreadyPresent(246_471_733_248_007),
    ),
    "upload-incomplete": Explanation(
        "The storage cannot make one file of the parts that were named: a part is missing, has another `ETag`, or no"
        " multipart upload was begun; or they do not make the declared size.",
        "Get fresh URLs with `POST /v1/images/{image_id}/upload`, PUT the parts that failed again, and complete the"
        " upload with the `ETag` of every part.",
        errors.UploadIncomplete("The storage did not make one file of the parts: InvalidPart"),
    ),
    "too-many-tags": Explanation(
        "The image has 100 tags, and takes no more.",
        "Take a tag off first, or replace the tags as a whole with `PUT /v1/images/{image_id}`.",
        errors.TooManyTags(246_471_733_248_007, 100),
    ),
    "request-in-progress": Explanation(
        "The same request, with the same `Idempotency-Key`, came before and has no answer yet.",
        "Send it again, unchanged, after the seconds that `Retry-After` says: it then gets the first one's answer.",
    ),
    "idempotency-key-reused": Explanation(
        "The `Idempotency-Key` belongs to another request of the last 24 hours: another body, path or query.",
        "Take a new key for each thing to be done. To repeat a request, repeat it exactly.",
    ),
    "precondition-failed": Explanation(
        "The image or tag has changed since you read the `ETag` that you sent as `If-Match`.",
        "Get it again, decide whether your change still makes sense, and send it with the new `ETag`.",
    ),
    "payload-too-large": Explanation(
        "The request is larger than the service or the gateway before it takes: 3,960,000 bytes for an upload in one"
        " request, 1,000,000 for any other JSON, 10,240 for the request line and the headers together, not counting the"
        " spaces and line breaks between them.",
        "Register the image with `POST /v1/images` and PUT the file to the URL that this gives. Tags that make the"
        " request line too long go into the JSON of an upload.",
        errors.PayloadTooLarge(
            "This takes at most 3960000 bytes; for a larger file register the image with POST /v1/images and PUT the"
            " file to the URL that this gives."
        ),
    ),
    "unsupported-media-type": Explanation(
        "The body has a `Content-Type` that this call does not take, or a `Content-Encoding`: none is taken.",
        "Send JSON as `application/json`, uncompressed; `detail` names the types that are taken.",
        errors.UnsupportedMediaType("The body is of type text/plain; this takes application/json."),
    ),
    "too-many-requests": Explanation(
        "Requests come faster than the limit: 300,000 in five minutes for one caller, and a limit of all together.",
        "Wait for the seconds that `Retry-After` says and try again, longer after each refusal, by a random part of the"
        " time.",
    ),
    "request-timeout": Explanation(
        "The headers or the body of the request did not arrive in full within 20 seconds. The service has not seen it,"
        " and the connection is closed. Only the gateway of `make serve` answers this: API Gateway just closes it.",
        "Send the whole request again on a new connection.",
    ),
    "internal-error": Explanation(
        "Something went wrong on our side.",
        "Try again once. If it stays, report the `request_id`: it finds the request in the log.",
    ),
    "bad-gateway": Explanation(
        "The service gave no answer, or one that cannot be passed on.",
        "Try again. A request that changes something may have been carried out: look first.",
    ),
    "unavailable": Explanation(
        "The database or the storage is temporarily unavailable. In most cases nothing was changed. If the connection"
        " to the database was lost before it confirmed the change, the change may have been made; `detail` then says"
        " so.",
        "Try again after the seconds that `Retry-After` says. Send each POST with an `Idempotency-Key`, and again with"
        " the same one: it is then carried out once, whatever was lost. Without a key, look first whether it was"
        " carried out: a second POST may create a second image. PUT and DELETE need no key, but look first"
        " if the answer matters: a PUT with `If-Match` that was carried out is answered with 412 the second time, and a"
        " DELETE with 404.",
        errors.Unavailable("The database cannot do this just now; try again."),
    ),
    "too-costly": Explanation(
        "The request took too long and was broken off. Nothing was changed. `errors`, where given, names the condition"
        " that is too broad.",
        "Ask for less: a longer pattern, one more tag that is rarer, fewer days.",
        errors.TooCostly(
            "match_tags[0] stands for 12,000 tags on about 900,000 images, too many for this search. Ask for less: a"
            " longer pattern, one more tag that is rarer, or fewer days.",
            errors=[
                {
                    "field": "match_tags[0]",
                    "message": "stands for 12,000 tags on about 900,000 images, too many for this search",
                }
            ],
        ),
    ),
    "gateway-timeout": Explanation(
        "The service did not answer within 29 seconds.",
        "Try again, and ask for less. A request that changes something may have been carried out: look first.",
    ),
}
