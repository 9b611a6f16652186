-- RFM summary in weeks. Observation ends with 1997-09-30, that day included.
-- Purchases of one customer within one day are one purchase; a customer's first purchase is not counted in frequency.
-- monetary_value is the mean of the repeat days' totals, the first purchase left out.
-- There are no refunds (negative amounts).
-- A purchase of amount zero counts as a purchase.
-- Trusts the table to hold no negative amounts and no missing amounts.
SELECT
  `t3`.`customer_id`,
  `t3`.`purchases` - 1 AS `frequency`,
  ieee_divide(CAST(DATE_DIFF(`t3`.`last_period`, `t3`.`first_period`, DAY) AS FLOAT64), 7.0) AS `recency`,
  ieee_divide(CAST(DATE_DIFF(DATE(1997, 9, 30), `t3`.`first_period`, DAY) AS FLOAT64), 7.0) AS `T`,
  ieee_divide(`t3`.`total` - `t3`.`first_value`, NULLIF(`t3`.`purchases` - 1, 0)) AS `monetary_value`
FROM (
  SELECT
    `t2`.`customer_id`,
    COUNT(*) AS `purchases`,
    MIN(`t2`.`period`) AS `first_period`,
    MAX(`t2`.`period`) AS `last_period`,
    SUM(`t2`.`value`) AS `total`,
    MIN_BY(`t2`.`value`, `t2`.`period`) AS `first_value`
  FROM (
    SELECT
      `t1`.`customer_id`,
      DATE(`t1`.`moment`) AS `period`,
      SUM(`t1`.`value`) AS `value`
    FROM (
      SELECT
        `t0`.`customer_id`,
        `t0`.`date` AS `moment`,
        CAST(`t0`.`value` AS FLOAT64) AS `value`
      FROM `transactions` AS `t0`
      WHERE
        `t0`.`customer_id` IS NOT NULL AND `t0`.`date` < DATETIME('1997-10-01T00:00:00')
    ) AS `t1`
    GROUP BY
      1,
      2
  ) AS `t2`
  GROUP BY
    1
) AS `t3`
ORDER BY
  `t3`.`customer_id` ASC NULLS LAST
