-- RFM summary in weeks. Observation ends with 1997-09-30, that day included.
-- Purchases of one customer within one day are one purchase; a customer's first purchase is not counted in frequency.
-- monetary_value is the mean of the repeat days' totals, the first purchase left out.
-- There are no refunds (negative amounts).
-- A purchase of amount zero counts as a purchase.
-- Trusts the table to hold no negative amounts and no missing amounts.
SELECT
  "t3"."customer_id",
  "t3"."purchases" - 1 AS "frequency",
  CAST(CAST(EXTRACT(epoch FROM CAST("t3"."last_period" AS TIMESTAMP) - CAST("t3"."first_period" AS TIMESTAMP)) / 86400 AS BIGINT) AS DOUBLE PRECISION) / 7.0 AS "recency",
  CAST(CAST(EXTRACT(epoch FROM CAST(MAKE_DATE(1997, 9, 30) AS TIMESTAMP) - CAST("t3"."first_period" AS TIMESTAMP)) / 86400 AS BIGINT) AS DOUBLE PRECISION) / 7.0 AS "T",
  CAST((
    "t3"."total" - "t3"."first_value"
  ) AS DOUBLE PRECISION) / NULLIF("t3"."purchases" - 1, 0) AS "monetary_value"
FROM (
  SELECT
    "t2"."customer_id",
    COUNT(*) AS "purchases",
    MIN("t2"."period") AS "first_period",
    MAX("t2"."period") AS "last_period",
    SUM("t2"."value") AS "total",
    (
      ARRAY_AGG("t2"."value" ORDER BY "t2"."period" ASC) FILTER(WHERE
        "t2"."period" IS NOT NULL)
    )[1] AS "first_value"
  FROM (
    SELECT
      "t1"."customer_id",
      DATE("t1"."moment") AS "period",
      SUM("t1"."value") AS "value"
    FROM (
      SELECT
        "t0"."customer_id",
        "t0"."date" AS "moment",
        CAST("t0"."value" AS DOUBLE PRECISION) AS "value"
      FROM "transactions" AS "t0"
      WHERE
        "t0"."customer_id" IS NOT NULL
        AND "t0"."date" < CAST('1997-10-01T00:00:00' AS TIMESTAMP)
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
