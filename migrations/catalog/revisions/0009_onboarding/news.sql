-- No directory remembers an onboarding: what its stages change tells for itself.
SELECT;
