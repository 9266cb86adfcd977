SELECT count(*) FROM email WHERE state IN ('due', 'sending')
