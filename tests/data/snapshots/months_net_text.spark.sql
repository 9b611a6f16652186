-- RFM summary in months. Observation ends with 2024-06-01, that day included.
-- Purchases of one customer within one day are one purchase; a customer's first purchase is not counted in frequency.
-- monetary_value is the mean of all days' totals.
-- Refunds (negative amounts) take back the customer's most recent earlier purchases; a purchase wholly taken back is no purchase.
-- A purchase of amount zero counts as a purchase.
SELECT
  `t9`.`customer_id`,
  `t9`.`purchases` - 1 AS `frequency`,
  TRY_DIVIDE(CAST(DATEDIFF(DAY, `t9`.`first_period`, `t9`.`last_period`) AS DOUBLE), 30.436875) AS `recency`,
  TRY_DIVIDE(
    CAST(DATEDIFF(DAY, `t9`.`first_period`, MAKE_DATE(2024, 6, 1)) AS DOUBLE),
    30.436875
  ) AS `T`,
  TRY_DIVIDE(`t9`.`total`, `t9`.`purchases`) AS `monetary_value`
FROM (
  SELECT
    `t8`.`customer_id`,
    COUNT(*) AS `purchases`,
    MIN(`t8`.`period`) AS `first_period`,
    MAX(`t8`.`period`) AS `last_period`,
    SUM(`t8`.`value`) AS `total`
  FROM (
    SELECT
      *
    FROM (
      SELECT
        `t6`.`customer_id`,
        `t6`.`period`,
        `t6`.`bought`,
        `t6`.`refunded`,
        `t6`.`balance`,
        `t6`.`value`,
        `t6`.`lowest`,
        (
          (
            `t6`.`bought` = 0
          ) AND (
            `t6`.`refunded` = 0
          )
        )
        OR (
          `t6`.`bought` > 0
        ) AS `is_offer`,
        (
          (
            `t6`.`bought` = 0
          ) AND (
            `t6`.`refunded` = 0
          )
        )
        OR (
          (
            `t6`.`bought` > 0
          ) AND (
            `t6`.`value` > (
              `t6`.`bought` * 1e-09
            )
          )
        ) AS `is_purchase`
      FROM (
        SELECT
          `t5`.`customer_id`,
          `t5`.`period`,
          `t5`.`bought`,
          `t5`.`refunded`,
          `t5`.`balance`,
          (
            `t5`.`value` + GREATEST(0.0, (
              `t5`.`balance` - `t5`.`value`
            ) - LEAST(`t5`.`balance`, `t5`.`lowest`))
          ) - GREATEST(0.0, `t5`.`balance` - `t5`.`lowest`) AS `value`,
          `t5`.`lowest`
        FROM (
          SELECT
            `t4`.`customer_id`,
            `t4`.`period`,
            `t4`.`bought`,
            `t4`.`refunded`,
            `t4`.`balance`,
            `t4`.`value`,
            COALESCE(
              MIN(`t4`.`balance`) OVER (
                PARTITION BY `t4`.`customer_id`
                ORDER BY `t4`.`period` ASC NULLS LAST
                ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
              ),
              `t4`.`balance`
            ) AS `lowest`
          FROM (
            SELECT
              `t3`.`customer_id`,
              `t3`.`period`,
              `t3`.`bought`,
              `t3`.`refunded`,
              SUM(`t3`.`value`) OVER (
                PARTITION BY `t3`.`customer_id`
                ORDER BY `t3`.`period` ASC NULLS LAST
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
              ) AS `balance`,
              `t3`.`value`
            FROM (
              SELECT
                `t2`.`customer_id`,
                `t2`.`period`,
                `t2`.`bought`,
                `t2`.`refunded`,
                `t2`.`bought` + `t2`.`refunded` AS `balance`,
                `t2`.`bought` + `t2`.`refunded` AS `value`
              FROM (
                SELECT
                  `t1`.`customer_id`,
                  CAST(`t1`.`moment` AS DATE) AS `period`,
                  COALESCE(SUM(IF(`t1`.`value` > 0, `t1`.`value`, NULL)), 0.0) AS `bought`,
                  COALESCE(SUM(IF(`t1`.`value` < 0, `t1`.`value`, NULL)), 0.0) AS `refunded`
                FROM (
                  SELECT
                    `t0`.`customer_id`,
                    CAST(TO_TIMESTAMP(`t0`.`date`, 'M/d/yyyy') AS TIMESTAMP) AS `moment`,
                    CAST(`t0`.`amount` AS DOUBLE) AS `value`
                  FROM `transactions` AS `t0`
                  WHERE
                    `t0`.`customer_id` IS NOT NULL
                    AND CAST(TO_TIMESTAMP(`t0`.`date`, 'M/d/yyyy') AS TIMESTAMP) < CAST('2024-06-02T00:00:00' AS TIMESTAMP)
                    AND (
                      CAST(`t0`.`amount` AS DOUBLE) IS NOT NULL
                      AND NOT ISNAN(CAST(`t0`.`amount` AS DOUBLE))
                    )
                ) AS `t1`
                GROUP BY
                  1,
                  2
              ) AS `t2`
            ) AS `t3`
          ) AS `t4`
        ) AS `t5`
      ) AS `t6`
    ) AS `t7`
    WHERE
      `t7`.`is_purchase`
  ) AS `t8`
  GROUP BY
    1
) AS `t9`
ORDER BY
  `t9`.`customer_id` ASC NULLS LAST
