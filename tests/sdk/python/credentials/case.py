"""Every row of credentials.json with boto3's default chain: what it does when the services that hand out credentials do not do well."""

import sys

from common import chain

if __name__ == "__main__":
    sys.exit(chain.check("python", [sys.executable, "-m", "common.chain"]))
