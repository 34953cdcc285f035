-- People. Staff are accounts that may enter the operators' console; everybody else has no staff_role.

ALTER TABLE catalog.account
    ADD COLUMN email_verified_at timestamptz,
    ADD COLUMN staff_role text CONSTRAINT staff_role_is_known
        CHECK (staff_role IN ('observer', 'sales', 'operator'));
