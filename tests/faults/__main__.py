from faults.main import main

raise SystemExit(main())
