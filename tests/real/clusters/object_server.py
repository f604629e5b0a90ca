"""An object store on loopback, run by an environment of its own: ``python object_server.py PORT`` until standard input ends.

It prints a line a user: name, access key id, secret access key. ``lab`` may do everything, ``reader`` may only read.
"""

from __future__ import annotations

import json
import sys

import boto3
from moto import settings
from moto.server import ThreadedMotoServer

USERS = {"lab": ["s3:*"], "reader": ["s3:ListBucket", "s3:GetObject"]}


def main() -> None:
    port = sys.argv[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=int(port), verbose=False)
    server.start()
    anybody = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nobody"}
    made = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1", **anybody}
    boto3.client("s3", **made).create_bucket(Bucket="lab")
    iam = boto3.client("iam", **made)
    for name, actions in USERS.items():
        allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=json.dumps(allowed))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        sys.stdout.write(f"{name} {key['AccessKeyId']} {key['SecretAccessKey']}\n")
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0  # from now on everybody is asked who they are
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
