"""Brings one model from the hub into a bucket: proven by the hub's digests, and whole.

Every step looks first and does what is missing: it may be cut off at any point, and begun again.
"""

import argparse
import hashlib
import json
import os
from pathlib import Path
from typing import Any

STAGING = Path("/staging")
NOT_SERVED = (".bin", ".pth", ".gguf", ".md", ".gitattributes", ".png", ".pdf")


def expected(siblings: list[Any]) -> dict[str, str]:
    """Return the digest of each file that is served, as the hub tells it."""
    return {
        each.rfilename: f"sha256:{each.lfs.sha256}" if each.lfs else f"git:{each.blob_id}"
        for each in siblings
        if not each.rfilename.endswith(NOT_SERVED)
    }


def digest(path: Path, like: str) -> str:
    """Return a file's digest, of the kind that `like` is: of large files' bytes, or git's."""
    kind = like.partition(":")[0]
    made = hashlib.sha256() if kind == "sha256" else hashlib.sha1(usedforsecurity=False)
    if kind == "git":
        made.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            made.update(block)
    return f"{kind}:{made.hexdigest()}"


def drop_damaged(folder: Path, files: dict[str, str]) -> list[str]:
    """Return the files that are not there as they should be; what is damaged is deleted."""
    wrong = []
    for name, wanted in files.items():
        path = folder / name
        if not path.is_file() or digest(path, wanted) != wanted:
            path.unlink(missing_ok=True)
            wrong.append(name)
    return wrong


def held(s3: Any, bucket: str, prefix: str) -> dict[str, str]:
    """Return what the bucket has below the prefix, with the digests that were noted."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
    heads = {key: s3.head_object(Bucket=bucket, Key=key) for key in keys}
    return {
        key.removeprefix(f"{prefix}/"): head["Metadata"].get("digest", "")
        for key, head in heads.items()
    }


def upload(s3: Any, bucket: str, prefix: str, folder: Path, files: dict[str, str]) -> int:
    """Make the bucket hold exactly these files; return how many were sent."""
    there = held(s3, bucket, prefix)
    missing = [name for name, wanted in files.items() if there.get(name) != wanted]
    for name in missing:
        noted = {"Metadata": {"digest": files[name]}}
        s3.upload_file(str(folder / name), bucket, f"{prefix}/{name}", ExtraArgs=noted)
    for name in set(there) - set(files):
        s3.delete_object(Bucket=bucket, Key=f"{prefix}/{name}")
    if held(s3, bucket, prefix) != files:
        raise SystemExit(f"{bucket}/{prefix} does not hold what was sent; run the job again")
    return len(missing)


def make_bucket(s3: Any, bucket: str) -> None:
    """Make the bucket where there is none."""
    if bucket not in {each["Name"] for each in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=bucket)


def main() -> None:
    """Fetch, prove, send, and prove again."""
    import boto3
    from huggingface_hub import HfApi, snapshot_download

    parser = argparse.ArgumentParser()
    for flag in ("--repo", "--revision", "--prefix"):
        parser.add_argument(flag, required=True)
    args = parser.parse_args()
    storage = json.loads(os.environ["STORAGE"])
    s3 = boto3.client(
        "s3",
        endpoint_url=storage["endpoint_url"],
        aws_access_key_id=storage["access_key_id"],
        aws_secret_access_key=storage["secret_access_key"],
        region_name=storage.get("region"),
    )
    info = HfApi().model_info(args.repo, revision=args.revision, files_metadata=True)
    files, folder = expected(info.siblings), STAGING / args.prefix
    make_bucket(s3, storage["bucket"])
    if held(s3, storage["bucket"], args.prefix) == files:
        print(f"{args.prefix}: all {len(files)} files are there")
        return
    for _ in range(2):  # what came damaged is fetched once more
        snapshot_download(
            args.repo, revision=args.revision, local_dir=folder, allow_patterns=list(files)
        )
        if not (wrong := drop_damaged(folder, files)):
            break
    else:
        raise SystemExit(f"not as the hub has them: {', '.join(wrong)}")
    sent = upload(s3, storage["bucket"], args.prefix, folder, files)
    print(f"{args.prefix}: sent {sent} of {len(files)} files")


if __name__ == "__main__":
    main()
