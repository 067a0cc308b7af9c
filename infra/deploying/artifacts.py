"""The bucket from which Lambda and CloudFormation fetch code and template."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.account import Account, error_code, translated
from infra.packaging import Package
from sightline.errors import ConfigError


def bucket_name(account: Account, stack: str) -> str:
    """Name the code bucket of a stack."""
    return f"{stack}-code-{account.account_id()}-{account.region}"


def former_bucket_name(account: Account, stack: str) -> str:
    """Name the code bucket as the first deployments did; one may be left of them."""
    return f"{stack}-artifacts-{account.account_id()}-{account.region}"


def owner(account: Account, bucket: str) -> str | None:
    """The stack that a bucket belongs to.

    Returns:
        Its name; "nobody" for one of this account's without tags, "" for another account's, None if
        there is no such bucket.

    Raises:
        ConfigError: S3 does not let us look.
        TransportError: S3 is out of reach.
    """
    s3 = account.client("s3")
    with translated(f"looking for the bucket {bucket}"):
        try:
            s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account.account_id())
            tags = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
        except ClientError as err:
            if error_code(err) in ("404", "NoSuchBucket"):
                return None
            if error_code(err) in ("403", "301", "AccessDenied"):
                return ""  # 301: in another region, so it is not ours, whose name has the region
            if error_code(err) == "NoSuchTagSet":
                return "nobody"
            raise
    found = {tag["Key"]: tag["Value"] for tag in tags}
    return str(found.get("aws:cloudformation:stack-name", found.get("stack", "nobody")))


def upload(
    account: Account, stack: str, package: Package, tags: Mapping[str, str] | None = None
) -> tuple[str, str, bool]:
    """Put *package* where CloudFormation finds it, once.

    Returns:
        Bucket, key, and whether it had to be uploaded.
    """
    bucket, key = bucket_name(account, stack), f"code/{package.digest}.zip"
    with translated(f"uploading the code to {bucket}"):
        if _exists(account, bucket, key):
            return bucket, key, False
        _ensure_bucket(account, bucket, tags or {})
        account.client("s3").put_object(
            Bucket=bucket,
            Key=key,
            Body=package.data,
            ContentType="application/zip",
            ExpectedBucketOwner=account.account_id(),
        )
    return bucket, key, True


def put_template(account: Account, stack: str, text: bytes, tags: Mapping[str, str]) -> str:
    """Put a template where CloudFormation finds it; return its address for `TemplateURL`.

    Raises:
        ConfigError: The bucket cannot be made or written.
        TransportError: AWS is out of reach.
    """
    bucket = bucket_name(account, stack)
    key = f"template/{hashlib.sha256(text).hexdigest()}.json"
    s3 = account.client("s3")
    with translated(f"uploading the template to {bucket}"):
        if not _exists(account, bucket, key):
            _ensure_bucket(account, bucket, tags)
            s3.put_object(
                Bucket=bucket,
                Key=key,
                Body=text,
                ContentType="application/json",
                ExpectedBucketOwner=account.account_id(),
            )
    # By path, as the AWS CLI does: a new bucket's own host name takes hours until it is known
    # everywhere.
    return f"{s3.meta.endpoint_url}/{bucket}/{key}"


def remove_bucket(account: Account, bucket: str) -> bool:
    """Delete a bucket with all versions of what lies in it; says whether there was one.

    Raises:
        ConfigError: It may not be deleted.
        TransportError: S3 is out of reach.
    """
    s3 = account.client("s3")
    with translated(f"deleting the bucket {bucket}"):
        try:
            _empty(s3, bucket)
            s3.delete_bucket(Bucket=bucket)
        except ClientError as err:
            if error_code(err) == "NoSuchBucket":
                return False
            raise
    return True


def _empty(s3: Any, bucket: str) -> None:
    """Delete every version, every mark of a deletion, and every upload that never ended."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        keys = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
        if keys:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            for error in answer.get("Errors", [])[:1]:  # not raised by itself
                raise ConfigError(
                    f"deleting {error['Key']} of {bucket}: {error['Code']}: {error['Message']}"
                )
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for each in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=each["Key"], UploadId=each["UploadId"])


def _exists(account: Account, bucket: str, key: str) -> bool:
    # The name can be guessed: somebody else may have made the bucket, to have us run their code.
    owner = account.account_id()
    try:
        account.client("s3").head_object(Bucket=bucket, Key=key, ExpectedBucketOwner=owner)
    except ClientError as err:
        # HEAD has no body, so S3 can only say the number. 404 is also what no bucket answers.
        if error_code(err) in ("404", "NoSuchKey", "NoSuchBucket"):
            return False
        raise
    return True


def _ensure_bucket(account: Account, bucket: str, tags: Mapping[str, str]) -> None:
    s3 = account.client("s3")
    # us-east-1 is the one region that must not be named.
    where = (
        {}
        if account.region == "us-east-1"
        else {"CreateBucketConfiguration": {"LocationConstraint": account.region}}
    )
    try:
        s3.create_bucket(Bucket=bucket, **where)
    except ClientError as err:
        if error_code(err) == "BucketAlreadyExists":
            raise ConfigError(
                f"the bucket name {bucket} is taken by another account; choose another --stack"
            ) from err
        if error_code(err) != "BucketAlreadyOwnedByYou":
            raise
    # Code is no secret, but nobody else is to put any here.
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
    )
    encryption = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(
        Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [encryption]}
    )
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(_tls_only(account, bucket)))
    if tags:
        s3.put_bucket_tagging(
            Bucket=bucket, Tagging={"TagSet": [{"Key": k, "Value": v} for k, v in tags.items()]}
        )


def _tls_only(account: Account, bucket: str) -> dict[str, Any]:
    partition = account.session.get_partition_for_region(account.region)
    arn = f"arn:{partition}:s3:::{bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": ["s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"],
                "Resource": [arn, f"{arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }
