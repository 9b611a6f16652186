"""The customer lifetime value formulas of textbooks and marketing departments.

Numbers in, numbers out: floats, or arrays that broadcast. Nothing here looks at data; to estimate
the inputs of a formula from a transaction log, use `clvmodels.TextbookModel`.

One rule about units: every number that is "per period" in one call is per the same period. A
length of time may carry its own unit ("36 months"), a discount rate always does, and then the call
must say which `period` its bare numbers are per.
"""

from clvmodels.textbook.components import ComponentValue, component_value
from clvmodels.textbook.discounted import discounted_profit, present_value
from clvmodels.textbook.economics import ltv_to_cac, net_value, payback_period, roi
from clvmodels.textbook.purchases import (
    annual_spend_years,
    convert_churn,
    value_frequency_churn,
    value_frequency_lifespan,
)
from clvmodels.textbook.retention import (
    Elasticities,
    Timing,
    berger_nasr,
    elasticities,
    margin_multiple,
    retention_value,
)

__all__ = [
    "ComponentValue",
    "Elasticities",
    "Timing",
    "annual_spend_years",
    "berger_nasr",
    "component_value",
    "convert_churn",
    "discounted_profit",
    "elasticities",
    "ltv_to_cac",
    "margin_multiple",
    "net_value",
    "payback_period",
    "present_value",
    "retention_value",
    "roi",
    "value_frequency_churn",
    "value_frequency_lifespan",
]
