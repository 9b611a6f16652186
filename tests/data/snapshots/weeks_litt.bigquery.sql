-- RFM summary in weeks. Observation ends with 1997-09-30, that day included.
-- Purchases of one customer within one day are one purchase; a customer's first purchase is not counted in frequency.
-- litt is the sum of the natural logarithms of the weeks between purchases.
SELECT
  `t4`.`customer_id`,
  `t4`.`purchases` - 1 AS `frequency`,
  ieee_divide(CAST(DATE_DIFF(`t4`.`last_period`, `t4`.`first_period`, DAY) AS FLOAT64), 7.0) AS `recency`,
  ieee_divide(CAST(DATE_DIFF(DATE(1997, 9, 30), `t4`.`first_period`, DAY) AS FLOAT64), 7.0) AS `T`,
  `t4`.`litt`
FROM (
  SELECT
    `t3`.`customer_id`,
    COUNT(*) AS `purchases`,
    MIN(`t3`.`period`) AS `first_period`,
    MAX(`t3`.`period`) AS `last_period`,
    COALESCE(SUM(LN(`t3`.`gap`)), 0.0) AS `litt`
  FROM (
    SELECT
      `t2`.`customer_id`,
      `t2`.`period`,
      ieee_divide(
        CAST(DATE_DIFF(
          `t2`.`period`,
          LAG(`t2`.`period`) OVER (PARTITION BY `t2`.`customer_id` ORDER BY `t2`.`period` ASC),
          DAY
        ) AS FLOAT64),
        7.0
      ) AS `gap`
    FROM (
      SELECT
        `t1`.`customer_id`,
        DATE(`t1`.`moment`) AS `period`
      FROM (
        SELECT
          `t0`.`customer_id`,
          `t0`.`date` AS `moment`
        FROM `transactions` AS `t0`
        WHERE
          `t0`.`customer_id` IS NOT NULL AND `t0`.`date` < DATETIME('1997-10-01T00:00:00')
      ) AS `t1`
      GROUP BY
        1,
        2
    ) AS `t2`
  ) AS `t3`
  GROUP BY
    1
) AS `t4`
ORDER BY
  `t4`.`customer_id` ASC NULLS LAST
