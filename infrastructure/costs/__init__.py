"""What a stage costs a month, by AWS's list prices: `python -m infrastructure.costs --stage prod --images 1000000`.

An estimate. Taxes, discounts and free tiers are not in it, except Cognito's free users, who are free for good.
"""

from infrastructure.costs.bill import monthly
from infrastructure.costs.usage import SIZES, Usage

__all__ = ["SIZES", "Usage", "monthly"]
