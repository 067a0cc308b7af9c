"""The bucket from which Lambda fetches the functions' code."""

from botocore.exceptions import ClientError

from infra.account import Account, error_code, translated
from infra.packaging import Package


def bucket_name(account: Account, stack: str) -> str:
    """Name the artifacts bucket of a stack."""
    return f"{stack}-artifacts-{account.account_id()}-{account.region}"


def upload(account: Account, stack: str, package: Package) -> tuple[str, str, bool]:
    """Put *package* where CloudFormation finds it, once.

    Returns:
        Bucket, key, and whether it had to be uploaded.
    """
    bucket, key = bucket_name(account, stack), f"code/{package.digest}.zip"
    s3 = account.client("s3")
    with translated(f"uploading the code to {bucket}"):
        if _exists(account, bucket, key):
            return bucket, key, False
        _ensure_bucket(account, bucket)
        s3.put_object(Bucket=bucket, Key=key, Body=package.data, ContentType="application/zip")
    return bucket, key, True


def remove(account: Account, stack: str) -> bool:
    """Delete the bucket and what lies in it; says whether there was one."""
    bucket = bucket_name(account, stack)
    s3 = account.client("s3")
    with translated(f"deleting the bucket {bucket}"):
        try:
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                keys = [{"Key": item["Key"]} for item in page.get("Contents", [])]
                if keys:
                    s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            s3.delete_bucket(Bucket=bucket)
        except ClientError as err:
            if error_code(err) == "NoSuchBucket":
                return False
            raise
    return True


def _exists(account: Account, bucket: str, key: str) -> bool:
    try:
        account.client("s3").head_object(Bucket=bucket, Key=key)
    except ClientError as err:
        # HEAD has no body, so S3 can only say the number. 404 is also what no bucket answers.
        if error_code(err) in ("404", "NoSuchKey", "NoSuchBucket"):
            return False
        raise
    return True


def _ensure_bucket(account: Account, bucket: str) -> None:
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
