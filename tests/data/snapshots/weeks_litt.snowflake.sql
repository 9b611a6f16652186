-- RFM summary in weeks. Observation ends with 1997-09-30, that day included.
-- Purchases of one customer within one day are one purchase; a customer's first purchase is not counted in frequency.
-- litt is the sum of the natural logarithms of the weeks between purchases.
SELECT
  "t4"."customer_id",
  "t4"."purchases" - 1 AS "frequency",
  CAST(DATEDIFF(DAY, "t4"."first_period", "t4"."last_period") AS DOUBLE) / 7.0 AS "recency",
  CAST(DATEDIFF(DAY, "t4"."first_period", DATE_FROM_PARTS(1997, 9, 30)) AS DOUBLE) / 7.0 AS "T",
  "t4"."litt"
FROM (
  SELECT
    "t3"."customer_id",
    COUNT(*) AS "purchases",
    MIN("t3"."period") AS "first_period",
    MAX("t3"."period") AS "last_period",
    COALESCE(SUM(LN("t3"."gap")), 0.0) AS "litt"
  FROM (
    SELECT
      "t2"."customer_id",
      "t2"."period",
      CAST(DATEDIFF(
        DAY,
        LAG("t2"."period") OVER (PARTITION BY "t2"."customer_id" ORDER BY "t2"."period" ASC),
        "t2"."period"
      ) AS DOUBLE) / 7.0 AS "gap"
    FROM (
      SELECT
        "t1"."customer_id",
        TO_DATE("t1"."moment") AS "period"
      FROM (
        SELECT
          "t0"."customer_id",
          "t0"."date" AS "moment"
        FROM "transactions" AS "t0"
        WHERE
          "t0"."customer_id" IS NOT NULL
          AND "t0"."date" < TIMESTAMP_FROM_PARTS(1997, 10, 1, 0, 0, 0, 0)
      ) AS "t1"
      GROUP BY
        1,
        2
    ) AS "t2"
  ) AS "t3"
  GROUP BY
    1
) AS "t4"
ORDER BY
  "t4"."customer_id" ASC
