-- What late and corrected readings do to an episode, and whether its order is still the judgement's own to close.
ALTER TABLE orders ADD COLUMN touched INTEGER NOT NULL DEFAULT 0;   -- whether people have moved it
ALTER TABLE orders ADD COLUMN because TEXT;   -- the reading that changed the episode: "TIME VALUE" or "TIME WAS→VALUE"
ALTER TABLE orders ADD COLUMN part_of TEXT;   -- the episode that a withdrawn one became part of

-- Before, only people moved orders.
UPDATE orders SET touched = 1 WHERE state <> 'opened';
