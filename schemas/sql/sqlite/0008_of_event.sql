-- From here on the first delivery of a new event has the event's row id, and needs no index to be found
-- (storage/sqlite/of_event.h).
DROP INDEX outrider_delivery_by_event;
CREATE INDEX outrider_delivery_of_event ON outrider_delivery (event) WHERE id <> event;

-- Finished deliveries by state move into outrider_tally, whose last page a commit of attempts writes anyway: a slot behind
-- all others, with the state in place of the error (storage/sqlite/tally.h).
INSERT INTO outrider_tally (slot, endpoint, error, bucket, count, last_at)
  SELECT 2147483647, endpoint, state, 0, count, 0 FROM outrider_total;
DROP TABLE outrider_total;
