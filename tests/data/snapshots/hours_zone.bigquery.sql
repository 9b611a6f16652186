-- RFM summary in hours. Observation ends with 2024-06-01 18:30:00.
-- Purchases of one customer within one hour are one purchase; a customer's first purchase is not counted in frequency.
SELECT
  `t4`.`customer_id`,
  `t4`.`purchases` - 1 AS `frequency`,
  CAST(DATETIME_DIFF(`t4`.`last_period`, `t4`.`first_period`, HOUR) AS FLOAT64) AS `recency`,
  CAST(DATETIME_DIFF(DATETIME('2024-06-01T18:00:00'), `t4`.`first_period`, HOUR) AS FLOAT64) AS `T`
FROM (
  SELECT
    `t3`.`customer_id`,
    COUNT(*) AS `purchases`,
    MIN(`t3`.`period`) AS `first_period`,
    MAX(`t3`.`period`) AS `last_period`
  FROM (
    SELECT
      `t2`.`customer_id`,
      TIMESTAMP_TRUNC(`t2`.`moment`, HOUR) AS `period`
    FROM (
      SELECT
        *
      FROM (
        SELECT
          `t0`.`buyer` AS `customer_id`,
          DATETIME(`t0`.`ordered_at`, 'America/New_York') AS `moment`
        FROM `shop`.`sales`.`orders` AS `t0`
      ) AS `t1`
      WHERE
        `t1`.`customer_id` IS NOT NULL
        AND `t1`.`moment` <= DATETIME('2024-06-01T18:30:00')
    ) AS `t2`
    GROUP BY
      1,
      2
  ) AS `t3`
  GROUP BY
    1
) AS `t4`
ORDER BY
  `t4`.`customer_id` ASC NULLS LAST
