-- RFM summary in weeks. Observation ends with 1997-09-30, that day included.
-- Purchases of one customer within one day are one purchase; a customer's first purchase is not counted in frequency.
-- monetary_value is the mean of the repeat days' totals, the first purchase left out.
-- There are no refunds (negative amounts).
-- A purchase of amount zero counts as a purchase.
-- Trusts the table to hold no negative amounts and no missing amounts.
SELECT
  "t3"."customer_id",
  "t3"."purchases" - 1 AS "frequency",
  CAST(DATE_DIFF('DAY', "t3"."first_period", "t3"."last_period") AS DOUBLE) / 7.0 AS "recency",
  CAST(DATE_DIFF('DAY', "t3"."first_period", MAKE_DATE(1997, 9, 30)) AS DOUBLE) / 7.0 AS "T",
  (
    "t3"."total" - "t3"."first_value"
  ) / NULLIF("t3"."purchases" - 1, 0) AS "monetary_value"
FROM (
  SELECT
    "t2"."customer_id",
    COUNT(*) AS "purchases",
    MIN("t2"."period") AS "first_period",
    MAX("t2"."period") AS "last_period",
    SUM("t2"."value") AS "total",
    ARG_MIN("t2"."value", "t2"."period") AS "first_value"
  FROM (
    SELECT
      "t1"."customer_id",
      CAST("t1"."moment" AS DATE) AS "period",
      SUM("t1"."value") AS "value"
    FROM (
      SELECT
        "t0"."customer_id",
        "t0"."date" AS "moment",
        CAST("t0"."value" AS DOUBLE) AS "value"
      FROM "transactions" AS "t0"
      WHERE
        "t0"."customer_id" IS NOT NULL
        AND "t0"."date" < MAKE_TIMESTAMP(1997, 10, 1, 0, 0, 0.0)
    ) AS "t1"
    GROUP BY
      1,
      2
  ) AS "t2"
  GROUP BY
    1
) AS "t3"
ORDER BY
  "t3"."customer_id" ASC
